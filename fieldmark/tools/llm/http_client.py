"""An HTTP client whose responses are bounded in time and size, so that no endpoint can hold or fill us.

Import it late: it loads the HTTP stack.
"""

import asyncio
import math
import ssl
import time
import zlib
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2

from fieldmark.tools.llm.address import is_here

CONNECT_S = 5.0
"""An endpoint that does not take a connection within this many seconds is down."""
MOST_BYTES = 8 * 2**20
"""The most bytes of a response, as sent and unpacked; the longest answer that is read has far fewer."""
LONG_WAIT_S = 60.0
"""An endpoint that asks for a longer pause than this (Retry-After) is not waited for."""
UNUSABLE = "fieldmark.unusable"
"""Extension of a response whose body was dropped: why."""


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


def open_http_client(base_url: str, *, connections: int, most_bytes: int = MOST_BYTES) -> WholeTimeClient:
    """Opens a client for one endpoint; a proxy from the environment is not used for this machine itself.

    Args:
        base_url: Base URL of the endpoint; empty for one elsewhere.
        connections: The most connections at a time.
        most_bytes: The most bytes of a response, as sent and unpacked.
    """
    here = urlsplit(base_url).scheme.lower() == "http" and is_here(base_url)
    # Loading the certificates takes longer than a local answer. Without them no https host is trusted.
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if here else True
    return WholeTimeClient(
        follow_redirects=True,
        trust_env=not here,
        verify=trust,
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [partial(_tame, most=most_bytes)]},
    )


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """Seconds that a response asks to wait; `None` where it asks for no time that makes sense."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        said = headers.get(name, "")
        try:
            seconds = float(said) / unit
        except ValueError:
            date = parsedate_tz(said)
            if date is None:
                continue
            try:
                seconds = mktime_tz(date) - time.time()
            except (ValueError, OverflowError):
                continue
        return seconds if math.isfinite(seconds) and seconds > 0 else None
    return None


async def _tame(response: httpx2.Response, *, most: int) -> None:
    """Reads a response, a redirect's too, within bounds, and leaves nothing for others to decode.

    The SDK reads bodies whole, in whatever compression and charset their headers name.
    """
    body, fault = await _body(response, most)
    response.stream = httpx2.ByteStream(body)
    if fault:
        response.extensions[UNUSABLE] = fault
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        response.headers.pop(name, None)
    media = response.headers.get("content-type", "application/json").split(";")[0].strip()
    response.headers["content-type"] = f"{media}; charset=utf-8"
    if response.status_code == 429 or (retry_after_s(response.headers) or 0.0) > LONG_WAIT_S:
        # A 429 is for all calls together, and the pace's to repeat; a long pause ends the run.
        response.headers["x-should-retry"] = "false"


async def _body(response: httpx2.Response, most: int) -> tuple[bytes, str]:
    stream = response.stream
    if not isinstance(stream, httpx2.AsyncByteStream):
        raise TypeError("the response of an asynchronous client has an asynchronous body")
    packing = response.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if packing not in ("identity", "gzip", "x-gzip", "deflate"):
        await stream.aclose()
        return b"", f"it is packed as {packing[:40]!r}, which was not asked for"
    too_large = f"it has more than {most // 2**20} MB"
    raw = bytearray()
    try:
        async for chunk in stream:
            raw += chunk
            if len(raw) > most:
                return b"", too_large
    finally:
        await stream.aclose()
    if packing == "identity":
        return bytes(raw), ""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, as its first bytes say
    try:
        body = unpacker.decompress(bytes(raw), most + 1)
    except zlib.error:
        return b"", "it cannot be unpacked"
    if len(body) > most:
        return b"", too_large
    return body, "" if unpacker.eof else "it ends in the middle"
