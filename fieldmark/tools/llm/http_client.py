"""An HTTP client whose timeout bounds the whole response, so that a slow endpoint cannot hold a call.

Import it late: it loads the HTTP stack.
"""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx2

CONNECT_S = 5.0
"""An endpoint that does not take a connection within this many seconds is down."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, never bound


class WholeTimeClient(httpx2.AsyncClient):
    """Reads the request's `read` timeout as the most seconds for the whole response, body included."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Sends one request.

        Raises:
            httpx2.ReadTimeout: If the response is not complete in time.
        """
        limit = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(limit):
                return await super().send(request, **options)
        except TimeoutError as error:
            raise httpx2.ReadTimeout(f"No complete response within {limit} s.", request=request) from error


def open_http_client(base_url: str, *, connections: int) -> WholeTimeClient:
    """Opens a client for one endpoint; a proxy from the environment is not used for this machine itself.

    Args:
        base_url: Base URL of the endpoint; empty for one elsewhere.
        connections: The most connections at a time.
    """
    parts = urlsplit(base_url)
    here = parts.scheme.lower() == "http" and (parts.hostname or "").lower() in _LOCAL
    # Loading the certificates takes longer than a local answer. Without them no https host is trusted.
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if here else True
    return WholeTimeClient(
        follow_redirects=True,
        trust_env=not here,
        verify=trust,
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
    )
