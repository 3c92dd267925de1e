"""Serves the scripted guide on loopback as an OpenAI-compatible endpoint, in a thread or as a process."""

import argparse
import json
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import MODEL_NAME, Guide, UnknownQuestionError
from fieldmark.aviary.guide.picture_questions import DeclinedError
from fieldmark.aviary.world.species import book_from_json, species_book
from fieldmark.errors import FieldmarkError, ServerError
from fieldmark.records import ImagePart, Message
from fieldmark.records.questions import Role

MOST_BYTES = 16_000_000
"""The longest request body that is read."""
_IDLE_S = 120
_IMAGE_TOKENS = 256
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
}  # fmt: skip


class GuideServer:
    """The guide behind HTTP: `/v1/chat/completions`, `/v1/models` and `/health`.

    A context manager: the server runs in a thread between entering and leaving, on 127.0.0.1 alone.
    On leaving, open connections are closed too, so that nothing answers any more.

    Args:
        guide: Who answers.
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


class _RefusalError(Exception):
    """A request that gets an error in OpenAI's form."""

    def __init__(self, status: int, message: str, code: str) -> None:
        self.status = status
        self.message = message
        self.code = code
        super().__init__(message)


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
        except _RefusalError as refusal:
            self._refuse(refusal)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing: a line a request would drown the caller's own words."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors of the HTTP layer (unknown method, bad request line) as JSON, too."""
        self.close_connection = True
        self._refuse(_RefusalError(code, message or explain or "bad request", "bad_request"))

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

    def _unknown_path(self) -> _RefusalError:
        known = "/v1/chat/completions, /v1/models and /health"
        return _RefusalError(
            404, f"there is no {self.command} {self.path[:200]}; this server has {known}", "not_found"
        )

    def _read_body(self) -> bytes:
        """Read the whole body, so that the connection can go on whatever the answer is."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or len(length) > 12:
            self.close_connection = True
            raise _RefusalError(411, "the request needs a Content-Length", "length_required")
        if int(length) > MOST_BYTES:
            self.close_connection = True
            raise _RefusalError(413, f"the request is longer than {MOST_BYTES} bytes", "too_large")
        return self.rfile.read(int(length))

    def _complete(self, body: bytes) -> dict[str, Any]:
        request = _parsed(body)
        if request.get("model") != MODEL_NAME:
            raise _RefusalError(404, f"this server has no model but {MODEL_NAME!r}", "model_not_found")
        if request.get("stream"):
            raise _RefusalError(400, "this server does not stream", "unsupported")
        if request.get("n") not in (None, 1):
            raise _RefusalError(400, "this server gives one choice", "unsupported")
        messages = _messages(request.get("messages"))
        seed = request.get("seed")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise _RefusalError(400, "'seed' must be a whole number", "invalid_value")
        try:
            text = self._guide_server.guide.answer(
                messages, _schema(request.get("response_format")), seed or 0
            )
        except UnknownQuestionError as error:
            raise _RefusalError(400, str(error), "question_not_understood") from error
        except DeclinedError as error:
            declined = error.message
            text = ""
        else:
            declined = None
        text, finish_reason, completion_tokens = _within(text, _most_tokens(request))
        prompt_tokens = sum(
            _tokens(message.content) + len(message.images) * _IMAGE_TOKENS for message in messages
        )
        return {
            "id": f"aviary-{self._guide_server.count_answer()}",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL_NAME,
            "system_fingerprint": MODEL_NAME,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None if declined else text,
                        "refusal": declined,
                    },
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    def _refuse(self, refusal: _RefusalError) -> None:
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


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _RefusalError(400, "the body is no JSON", "invalid_json") from error
    if not isinstance(request, dict):
        raise _RefusalError(400, "the body is no JSON object", "invalid_json")
    return cast("dict[str, Any]", request)


def _messages(value: Any) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise _RefusalError(400, "'messages' must be a list of messages", "invalid_value")
    return [_message(item) for item in value]


def _message(item: Any) -> Message:
    role = _ROLES.get(str(item.get("role"))) if isinstance(item, dict) else None
    if role is None:
        raise _RefusalError(400, "every message needs a role: system, user or assistant", "invalid_value")
    content = item.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise _RefusalError(400, "every message needs a content", "invalid_value")
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    images = [part for part in parts if part.get("type") != "text"]
    said = [text for text in texts if isinstance(text, str)]
    if len(said) < len(texts):
        raise _RefusalError(400, "a text part needs a text", "invalid_value")
    # JSON can hold half a surrogate pair, which no text may.
    joined = "\n".join(said).encode("utf-8", "replace").decode("utf-8")
    return Message(role=role, content=joined, images=tuple(ImagePart(data_url=_url(part)) for part in images))


def _url(part: dict[str, Any]) -> str:
    """The address of a picture; an empty one where the part is of another kind."""
    found = part.get("image_url") if part.get("type") == "image_url" else None
    url = found.get("url") if isinstance(found, dict) else found
    return url.encode("ascii", "replace").decode("ascii") if isinstance(url, str) else ""


def _schema(response_format: Any) -> dict[str, Any] | None:
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind in ("text", "json_object"):
        return None
    schema = response_format.get("json_schema") if kind == "json_schema" else None
    schema = schema.get("schema") if isinstance(schema, dict) else None
    if not isinstance(schema, dict):
        raise _RefusalError(
            400, "'response_format' must be text, json_object or json_schema", "invalid_value"
        )
    return cast("dict[str, Any]", schema)


def _most_tokens(request: dict[str, Any]) -> int | None:
    most = request.get("max_completion_tokens")
    most = request.get("max_tokens") if most is None else most
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise _RefusalError(400, "'max_tokens' must be a positive whole number", "invalid_value")
    return most


def _tokens(text: str) -> int:
    """About as many tokens as a tokenizer would make of a text: a quarter of its bytes."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _within(text: str, most_tokens: int | None) -> tuple[str, str, int]:
    """Cut an answer to the tokens allowed, and say whether it was cut."""
    tokens = _tokens(text)
    if most_tokens is None or tokens <= most_tokens:
        return text, "stop", tokens
    cut = text.encode("utf-8", "replace")[: most_tokens * 4].decode("utf-8", "ignore")
    return cut, "length", most_tokens


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a guide until interrupted; its address goes to stdout as one line of JSON.

    Args:
        arguments: Command-line arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fieldmark.aviary.guide.server",
        description="Serve the aviary's scripted field guide (no language model) on loopback.",
    )
    parser.add_argument("--book-seed", type=int, default=0, help="seed of the species book")
    parser.add_argument("--new", type=int, default=80, help="number of new species")
    parser.add_argument("--known", type=int, default=20, help="number of species the model knows by name")
    parser.add_argument("--book", type=Path, help="a book written by book_to_json, in place of a seed")
    parser.add_argument("--mistakes", type=float, default=0.15, help="share of wrong statements")
    parser.add_argument("--guide-seed", type=int, default=0, help="which mistakes are made")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    given = parser.parse_args(arguments)
    try:
        if given.book is None:
            book = species_book(given.book_seed, given.new, given.known)
        else:
            book = book_from_json(given.book.read_text(encoding="utf-8"))
        settings = GuideSettings(mistakes=given.mistakes, seed=given.guide_seed)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        with GuideServer(Guide(book, settings), port=given.port) as server:
            line = {"base_url": server.base_url, "model": server.model, "identity": server.guide.identity}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
            while not stopped.wait(1.0):  # a timeout, so that signals are seen on every system
                pass
    except (FieldmarkError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return getattr(error, "exit_code", 2)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
