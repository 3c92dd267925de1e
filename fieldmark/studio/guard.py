"""Stands before every page: refuses foreign names, foreign origins and huge bodies, and knows the visitor."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fieldmark.studio.access import Access

MOST_BYTES = 64 * 1024
"""The most that a request may send: a form with a label."""
MOST_UPLOAD_BYTES = 260 * 1024 * 1024
"""The same where photographs are sent."""
MOST_DISCARDED = 8 * 1024**3
"""What is taken and thrown away of an upload that is too large: a browser that is cut off shows no page."""
UPLOADS = "/uploads"
"""How the addresses end that take photographs."""
COOKIE = "fieldmark_studio"
ENTER = "/enter"
OPEN = (ENTER, "/static/")
"""Where a visitor without a session may go."""
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    # Not "no-referrer": browsers would then send forms with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class TooLargeError(Exception):
    """A request sent more than a form can hold."""


class Guard:
    """ASGI middleware that lets through what `Access` allows.

    The session of a visitor is in `request.state.session`, whatever the page.

    Args:
        app: What it guards.
        access: The rules.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page uses a web socket
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        most = _most_bytes(scope)
        sends = most == MOST_UPLOAD_BYTES
        if refused := self._refusal(scope["method"], headers, MOST_DISCARDED if sends else most):
            await refused(scope, receive, _with_headers(send))
            return
        session = _session_of(headers)
        known = self._access.is_session(session)
        if not known and self._access.token is not None and not scope["path"].startswith(OPEN):
            asked = RedirectResponse(ENTER, status_code=303)
            await asked(scope, receive, _with_headers(send))
            return
        given = ""
        if not known and self._access.token is None:
            session = given = self._access.new_session()
        scope.setdefault("state", {})["session"] = session if known or given else ""
        try:
            bounded = _bounded(receive, most, discarded=MOST_DISCARDED if sends else 0)
            await self._app(scope, bounded, _with_headers(send, given))
        except TooLargeError:
            await _refuse(413, "That is more than a form can hold.")(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Headers, most: int) -> PlainTextResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows_host(hosts[0]):
            return _refuse(403, "This address is not a name of this studio.")
        if method not in ("GET", "HEAD", "POST"):
            return _refuse(405, "Only GET and POST are known here.")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "")
        if origin is not None and not _is_own(origin, hosts[0]):
            return _refuse(403, "A page from elsewhere may not use this studio.")
        if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
            return _refuse(403, "A page from elsewhere may not use this studio.")
        if method == "POST" and origin is None and site != "same-origin":
            return _refuse(403, "The form does not say where it comes from.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            return _refuse(413, "That is more than a form can hold.")
        return None


def cookie_of(session: str) -> str:
    """The header that has a browser keep a session until it is closed."""
    return f"{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/"


def _session_of(headers: Headers) -> str:
    # Cookies of other programs on this machine come along; one of theirs that is malformed spoils no other.
    pairs = (each.partition("=") for each in headers.get("cookie", "").split(";"))
    return next((value.strip().strip('"') for name, _, value in pairs if name.strip() == COOKIE), "")


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _most_bytes(scope: Scope) -> int:
    sent = scope["method"] == "POST" and scope["path"].endswith(UPLOADS)
    return MOST_UPLOAD_BYTES if sent else MOST_BYTES


def _bounded(receive: Receive, most: int, *, discarded: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            while message.get("more_body", False) and seen < discarded:
                message = await receive()
                seen += len(message.get("body", b""))
            raise TooLargeError
        return message

    return bounded


def _with_headers(send: Send, session: str = "") -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
            if session:
                headers.append("set-cookie", cookie_of(session))
        await send(message)

    return sending


def _refuse(status: int, said: str) -> PlainTextResponse:
    return PlainTextResponse(said + "\n", status)
