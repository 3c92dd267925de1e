"""Who may use the studio: by which names it is called, with which token, and what proves a session."""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from fieldmark.cache.folders import private_folder, write_whole
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes

LEAST_TOKEN = 16
"""Characters that a token needs at least."""
_KEY = "key"
_KEY_BYTES = 32


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Attributes:
        key: Secret of this machine's studio; sessions are proved with it.
        host: The address that it listens on.
        token: What a visitor must show once; None where everybody on this machine may enter.
    """

    key: bytes = field(repr=False)
    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise InputError(
                f"{self.host} can be reached from other machines: a token is needed.",
                hint="Give one, or have one made.",
                field="token",
            )
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            raise InputError(
                f"The token is too short: it needs {LEAST_TOKEN} characters.",
                hint="Leave it out, and one is made.",
                field="token",
            )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise InputError(
                "The token has characters that an address cannot hold.",
                hint="Use letters and digits.",
                field="token",
            )

    def knows_host(self, header: str) -> bool:
        """Whether a request's `Host` is a name of this machine, as it was asked to listen.

        A page elsewhere can have its own name lead to this machine ("DNS rebinding"), but no address.
        """
        try:
            name = urlsplit(f"//{header}").hostname or ""
            urlsplit(f"//{header}").port  # noqa: B018 (raises where it is none)
        except ValueError:
            return False
        if is_loopback(self.host):
            return is_loopback(name)
        return _is_address(name) or name in {
            "localhost",
            self.host.lower(),
            socket.gethostname().lower(),
            socket.getfqdn().lower(),
        }

    def new_session(self) -> str:
        """A session for somebody who may enter."""
        name = secrets.token_urlsafe(24)
        return f"{name}.{self._proof('session', name)}"

    def is_session(self, session: str) -> bool:
        """Whether a session was given out by this machine's studio, under the same token."""
        name, _, proof = session.partition(".")
        return bool(name) and _same(proof, self._proof("session", name))

    def form_token(self, session: str) -> str:
        """What every form of a session must hold."""
        return self._proof("form", session)

    def is_form_token(self, session: str, token: str) -> bool:
        """Whether a form belongs to a session."""
        return _same(token, self.form_token(session))

    def seal(self, session: str, text: str) -> str:
        """What shows that a text in an address is ours, and was for this session."""
        return self._proof("told", f"{session}\0{text}")

    def is_sealed(self, session: str, text: str, seal: str) -> bool:
        """Whether a text came with its seal."""
        return _same(seal, self.seal(session, text))

    def is_token(self, token: str) -> bool:
        """Whether that is the token of this server."""
        return self.token is not None and _same(token, self.token)

    def _proof(self, purpose: str, text: str) -> str:
        message = "\0".join((purpose, self.token or "", text)).encode("utf-8", "replace")
        return hmac.new(self.key, message, sha256).hexdigest()


def read_key(folder: Path) -> bytes:
    """The secret in a folder, made on first use; pages that are open survive a restart of the server by it.

    Raises:
        CacheError: The folder cannot be used.
    """
    path = private_folder(folder) / _KEY
    if not path.is_file() or path.stat().st_size != _KEY_BYTES:
        write_whole(path, (secrets.token_bytes(_KEY_BYTES),))
    return read_bytes(path)


def is_loopback(host: str) -> bool:
    """Whether an address or name leads to this machine alone."""
    name = host.strip("[]").lower()
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
