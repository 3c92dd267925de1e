"""Takes a base URL apart: where the endpoint is, and what of it must not be shown."""

import base64
import logging
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from fieldmark.errors import SettingsError

logger = logging.getLogger(__name__)

_PORTS = {"http": 80, "https": 443}
_HERE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, never bound


@dataclass(frozen=True)
class Address:
    """A base URL, taken apart.

    Attributes:
        url: What requests go to: without user and password.
        login: What user and password in the base URL are sent as ("Basic ..."); `None` where it has none.
        secrets: What must show nowhere, as it stands in the URL, as it is meant, and as it is sent.
    """

    url: str
    login: str | None
    secrets: tuple[str, ...]


def read_address(base_url: str) -> Address:
    """Takes a base URL apart.

    Raises:
        SettingsError: If it is no http or https URL, or ends in a query or fragment.
    """
    normal_url(base_url)
    parts = urlsplit(base_url.strip())
    if parts.query or parts.fragment:
        raise SettingsError(
            f"The language-model base URL {normal_url(base_url)} ends in a query (?...) or fragment (#...), "
            "which is not sent.",
            hint="Leave it out of OPENAI_BASE_URL; a key belongs into OPENAI_API_KEY.",
        )
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, host, parts.path, "", ""))
    if parts.username is None:
        return Address(url, None, ())
    user, password = parts.username, parts.password or ""
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    sent = base64.b64encode(pair).decode("ascii")
    secret = password or user
    return Address(url, f"Basic {sent}", tuple(dict.fromkeys((sent, secret, unquote(secret)))))


def normal_url(url: str) -> str:
    """Writes a base URL in one form: lower-case scheme and host, no default port, user, query or last slash.

    Raises:
        SettingsError: If it is no http or https URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = (parts.hostname or "").lower()
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        shown = "" if "@" in url else f" {url[:200]!r}"  # what stands before an @ may be a password
        raise SettingsError(
            f"The base URL{shown} of a model's endpoint is no http or https URL.",
            hint="It looks like http://127.0.0.1:8000/v1. OPENAI_BASE_URL has it where no option does.",
        )
    host = f"[{host}]" if ":" in host else host
    where = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{where}{parts.path.rstrip('/')}"


def is_here(url: str | None) -> bool:
    """Whether a URL leads to this machine."""
    try:
        parts = urlsplit((url or "").strip())
        return (parts.hostname or "").lower() in _HERE
    except ValueError:
        return False
