"""Reads the address of a server that keeps something for us, and says what of it must not be shown."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from fieldmark.errors import SettingsError


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is.

    Attributes:
        url: The whole address, with a password that may be in it.
        shown: The same for people: without user, password and options.
    """

    url: str = field(repr=False)
    shown: str

    def hide(self, text: str) -> str:
        """A text without the password, as it stands in the address and as it is meant."""
        password = urlsplit(self.url).password or ""
        for secret in filter(None, (password, unquote(password))):
            text = text.replace(secret, "[password]")
        return text


def read_server(
    url: str, *, setting: str, schemes: Mapping[str, int], options: Set[str], example: str
) -> ServerAddress:
    """Read a server's address.

    Args:
        url: The address: SCHEME://[USER:PASSWORD@]HOST[:PORT][/NAME][?OPTIONS].
        setting: The variable that has it, for errors.
        schemes: The schemes that it may have, each with its usual port.
        options: Options that may stand behind a question mark.
        example: One that would do.

    Raises:
        SettingsError: It is none. What it says is never repeated, as a password may be in it.
    """
    hint = f"It looks like {example}."
    try:
        parts = urlsplit(url.strip())
        port = parts.port or schemes.get(parts.scheme)
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in schemes or not parts.hostname or parts.fragment:
        raise SettingsError(f"{setting} is no address of a server.", hint=hint)
    unknown = sorted(set(parse_qs(parts.query, keep_blank_values=True)) - options)
    if unknown:
        known = f"There are: {', '.join(sorted(options))}." if options else "There are none."
        raise SettingsError(
            f"{setting} has options that are not used here: {', '.join(unknown)}.",
            hint=f"{known} A password stands before the @.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return ServerAddress(url.strip(), f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}")


def without_password(url: str) -> str:
    """An address as it may be shown, whatever it is: without what stands before an @ or behind a ?."""
    scheme, _, rest = url.rpartition("://")
    rest = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme.partition('@')[0]}://{rest}" if scheme and "@" not in scheme else rest
