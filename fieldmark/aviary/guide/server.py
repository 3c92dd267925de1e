"""Serves the scripted guide on loopback as an OpenAI-compatible endpoint, and opens a model that asks it."""

import json
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from fieldmark.aviary.guide.completions import RefusedRequestError, complete, read_request
from fieldmark.aviary.guide.guide import MODEL_NAME, Guide
from fieldmark.cache.bytestore import ByteStore
from fieldmark.errors import ServerError
from fieldmark.records import UsageLimits
from fieldmark.tools.llm.chat import ChatModel

MOST_BYTES = 16_000_000
"""The longest request body that is read."""
_IDLE_S = 120


class GuideServer:
    """The guide behind HTTP: `/v1/chat/completions`, `/v1/models` and `/health`.

    A context manager: the server runs in a thread between entering and leaving, on 127.0.0.1 alone.
    On leaving, open connections are closed too, so that nothing answers any more.

    Args:
        guide: The guide that answers.
        port: Port to listen on; 0 takes a free one.
    """

    def __init__(self, guide: Guide, *, port: int = 0) -> None:
        self.guide = guide
        self._wanted_port = port
        self._http: _HTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "GuideServer":
        """Start serving.

        Raises:
            ServerError: If the port is taken.
        """
        try:
            self._http = _HTTPServer(self._wanted_port, self.guide)
        except (OSError, OverflowError) as error:
            raise ServerError(
                f"the guide cannot listen on port {self._wanted_port} ({error}).",
                hint="Use port 0: any free one.",
            ) from error
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="aviary-guide", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving and close every connection."""
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.close_all()
        self._http = self._thread = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().server_address[1]

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` must be to use it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        """The model name to ask for; it says that this is no language model."""
        return MODEL_NAME

    @property
    def questions_answered(self) -> int:
        """Number of chat completions sent so far."""
        return self._running().answered

    def _running(self) -> "_HTTPServer":
        if self._http is None:
            raise ServerError("the guide is not running.", hint="Use it as a context manager.")
        return self._http


@asynccontextmanager
async def asked_over_http(
    guide: Guide, *, store: ByteStore, limits: UsageLimits | None = None, beside: ChatModel | None = None
) -> AsyncIterator[ChatModel]:
    """Serve a guide, and open the chat model that asks it as any language model.

    Args:
        guide: The guide.
        store: Where answers are kept, under the guide's identity.
        limits: The most that may be asked.
        beside: Another model whose spending counts against the same limits.
    """
    with GuideServer(guide) as server:
        async with ChatModel(
            server.model,
            base_url=server.base_url,
            api_key=None,
            store=store,
            identity=guide.identity,
            limits=limits,
            beside=beside,
        ) as llm:
            yield llm


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    # Without this a second server on the same port would be let in on some systems.
    allow_reuse_port = False
    request_queue_size = 128

    def __init__(self, port: int, guide: Guide) -> None:
        self.guide = guide
        self.answered = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def count_answer(self) -> int:
        with self._lock:
            self.answered += 1
            return self.answered

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        self.server_close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):  # it may have been closed meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is no event; anything else is shown as the standard library does.
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "aviary-guide"
    sys_version = ""
    timeout = _IDLE_S
    # One write and no Nagle delay a response; unbuffered writes cost 40 ms each on loopback.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(200, {"status": "ok"})
        elif self.path in ("/v1/models", "/v1/models/"):
            self._send(200, {"object": "list", "data": [self._model_entry()]})
        else:
            self._refuse(self._unknown_path())

    def do_POST(self) -> None:
        try:
            body = self._read_body()
            if self.path != "/v1/chat/completions":
                raise self._unknown_path()
            self._send(200, self._complete(body))
        except RefusedRequestError as refusal:
            self._refuse(refusal)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing: a line a request would drown the caller's own words."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors of the HTTP layer (unknown method, bad request line) as JSON, too."""
        self.close_connection = True
        self._refuse(RefusedRequestError(code, message or explain or "bad request", "bad_request"))

    @property
    def _guide_server(self) -> _HTTPServer:
        return cast("_HTTPServer", self.server)

    def _model_entry(self) -> dict[str, Any]:
        return {
            "id": MODEL_NAME,
            "object": "model",
            "created": 0,
            "owned_by": "fieldmark (scripted, no language model)",
            "fieldmark_identity": self._guide_server.guide.identity,
        }

    def _unknown_path(self) -> RefusedRequestError:
        known = "/v1/chat/completions, /v1/models and /health"
        return RefusedRequestError(
            404, f"there is no {self.command} {self.path[:200]}; this server has {known}", "not_found"
        )

    def _read_body(self) -> bytes:
        """Read the whole body, so that the connection can go on whatever the answer is."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or len(length) > 12:
            self.close_connection = True
            raise RefusedRequestError(411, "the request needs a Content-Length", "length_required")
        if int(length) > MOST_BYTES:
            self.close_connection = True
            raise RefusedRequestError(413, f"the request is longer than {MOST_BYTES} bytes", "too_large")
        return self.rfile.read(int(length))

    def _complete(self, body: bytes) -> dict[str, Any]:
        completion = complete(read_request(body), self._guide_server.guide)
        return {"id": f"aviary-{self._guide_server.count_answer()}", **completion}

    def _refuse(self, refusal: RefusedRequestError) -> None:
        kind = "invalid_request_error"
        error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
        self._send(refusal.status, {"error": error})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
