"""An OpenAI-compatible server on loopback that answers by script, faults included, and records all requests.

    with FaultyEndpoint([error(500), completion('{"marks": []}')]) as endpoint:
        ...  # endpoint.base_url, endpoint.asked, endpoint.chats

Replies are used up in order; the last one is repeated. A reply may be a function of the request.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)
    """When it arrived, in seconds of the monotonic clock."""

    @property
    def text(self) -> str:
        """All text of its messages."""
        texts: list[str] = []
        for message in self.body["messages"]:
            content = message["content"]
            texts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
        return "\n".join(texts)

    @property
    def response_format(self) -> str:
        """The type of its response format; "text" where it names none."""
        return self.body.get("response_format", {}).get("type", "text")


@dataclass(frozen=True)
class Reply:
    """One HTTP response, and how badly it is sent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay_s: float = 0.0
    """Seconds before anything is sent."""
    drip_s: float | None = None
    """Seconds between single bytes of the body."""
    cut: bool = False
    """Closes the connection in the middle of the body."""
    hang_up: bool = False
    """Closes the connection without a response."""
    endless: bool = False
    """Sends the body again and again, in chunks, until the client leaves."""


Script = Reply | Callable[[Received], Reply]


def json_reply(data: Any, *, status: int = 200, **options: Any) -> Reply:
    """A reply with a JSON body."""
    return Reply(status=status, body=json.dumps(data).encode(), **options)


def completion(
    text: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: Any = (10, 5),
    thoughts: str | None = None,
    **options: Any,
) -> Reply:
    """A chat completion; `usage` is (prompt, completion) tokens, `None` for none, or anything else as is.

    `thoughts` is thinking beside the text.
    """
    message = {"role": "assistant", "content": text, "refusal": refusal}
    if thoughts is not None:
        message["reasoning_content"] = thoughts
    data: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "any",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    }
    if isinstance(usage, tuple):
        usage = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    if usage is not None:
        data["usage"] = usage
    return json_reply(data, **options)


def error(
    status: int, message: str = "it is broken", *, headers: Mapping[str, str] | None = None, **more: Any
) -> Reply:
    """An HTTP error in OpenAI's form; `more` goes into the error object."""
    data = {"error": {"message": message, "type": "error", **more}}
    return Reply(status, json.dumps(data).encode(), {"content-type": "application/json", **(headers or {})})


def rate_limited(*, retry_after_s: float) -> Reply:
    """HTTP 429 with a Retry-After header."""
    return error(429, "slow down", headers={"retry-after": str(retry_after_s)})


def web_page(status: int = 200, content_type: str = "text/html") -> Reply:
    """HTML where JSON is expected."""
    return Reply(status, b"<!doctype html><html><body>Welcome!</body></html>", {"content-type": content_type})


def accepting(
    formats: Sequence[str], then: Script, *, status: int = 400, message: str | None = None
) -> Callable[[Received], Reply]:
    """Refuses every response format but these ("json_schema", "json_object", "text"), as many servers do."""

    def answer(request: Received) -> Reply:
        if request.response_format in formats:
            return then(request) if callable(then) else then
        said = f"response_format type {request.response_format} is not supported"
        return error(status, said if message is None else message)

    return answer


class FaultyEndpoint:
    """The server; a context manager.

    Args:
        script: Replies to chat completions, in order; the last is repeated.
        models: Entries of `GET /v1/models`, or a reply of its own.
        latency_s: Seconds before each chat reply.

    Attributes:
        received: All requests so far, in order of arrival.
        most_at_once: The most chat requests that were open at the same time.
    """

    def __init__(
        self,
        script: Sequence[Script] = (),
        *,
        models: Sequence[Mapping[str, Any]] | Reply = ({"id": "test-model", "object": "model"},),
        latency_s: float = 0.0,
    ) -> None:
        self.received: list[Received] = []
        self.most_at_once = 0
        self._script = list(script) or [completion("{}")]
        self._models = (
            models if isinstance(models, Reply) else json_reply({"object": "list", "data": list(models)})
        )
        self._latency_s = latency_s
        self._open = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """Its base URL, with /v1."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def chats(self) -> list[Received]:
        """The chat completion requests so far."""
        return [request for request in self.received if request.path.endswith("/chat/completions")]

    @property
    def asked(self) -> int:
        """How many chat completion requests arrived."""
        return len(self.chats)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops serving; connections to it are refused from now on."""
        self._stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()

    def _reply(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            if request.method == "GET":
                return self._models if request.path.endswith("/models") else error(404, "no such page")
            if not request.path.endswith("/chat/completions"):
                return error(404, "no such path")
            script = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            reply = script(request) if callable(script) else script
            self._pause(self._latency_s + reply.delay_s)
            return reply
        finally:
            with self._lock:
                self._open -= 1

    def _pause(self, seconds: float) -> None:
        if seconds:
            self._stopped.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


def _handler(endpoint: FaultyEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # unbuffered, headers and body go out apart: 40 ms a call
        timeout = 30

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            form = self.headers.get("content-type", "").startswith("multipart/")
            self._serve(body if form else json.loads(body or b"null"))

        def _serve(self, body: Any) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = endpoint._reply(Received(self.command, self.path, headers, body))
            if reply.hang_up:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value.encode().decode("latin-1"))
            if reply.endless:
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                chunk = b"%x\r\n%b\r\n" % (len(reply.body), reply.body)
                while not endpoint._stopped.is_set():
                    self.wfile.write(chunk)
                return
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if reply.cut:
                self.wfile.write(reply.body[: len(reply.body) // 2])
                self.wfile.flush()
                self.close_connection = True
                return
            if reply.drip_s is not None:
                for at in range(len(reply.body)):
                    if endpoint._stopped.is_set():
                        return
                    self.wfile.write(reply.body[at : at + 1])
                    self.wfile.flush()
                    time.sleep(reply.drip_s)
                return
            self.wfile.write(reply.body)
            self.wfile.flush()

    return Handler
