"""A hub of models on loopback: what `huggingface_hub` asks of one, with faults where they are wanted.

with FakeHub({"owner/tiny": {"open_clip_model.safetensors": b"…"}}) as hub:
    ...  # hub.endpoint, hub.asked
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

COMMIT = "c0ffee" * 6 + "abcd"


class FakeHub:
    """Serves repositories: name → file name → content; large files have a SHA-256, as on the real hub.

    Attributes:
        asked: The paths that were asked for, with their method.

    Args:
        repositories: What it holds.
        wrong: Files whose content is not what the listing says.
        gated: Repositories that are open only to some.
    """

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, bytes]],
        *,
        wrong: tuple[str, ...] = (),
        gated: tuple[str, ...] = (),
    ) -> None:
        self.repositories, self.wrong, self.gated = repositories, wrong, gated
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def listing(self, repository: str) -> dict[str, Any]:
        """What the hub says of a repository and its files."""
        siblings: list[dict[str, Any]] = []
        for name, content in self.repositories[repository].items():
            each: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
            if is_large(name):
                each["lfs"] = {"size": len(content), "sha256": sha256(content), "pointerSize": 134}
            siblings.append(each)
        return {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                path = urlsplit(self.path).path
                hub.asked.append(f"{self.command} {path}")
                if path.startswith("/api/models/"):
                    repository = path.removeprefix("/api/models/").partition("/revision/")[0]
                    if repository in hub.repositories:
                        self.send(200, json.dumps(hub.listing(repository)).encode(), body=body)
                        return
                    self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
                    return
                repository, _, file = path.removeprefix("/").partition("/resolve/")
                name = file.partition("/")[2]
                content = hub.repositories.get(repository, {}).get(name)
                if repository in hub.gated:
                    self.send(403, b"", {"X-Error-Code": "GatedRepo"}, body=body)
                elif content is None:
                    self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
                else:
                    tag = sha256(content) if is_large(name) else git_hash(content)
                    headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'}
                    if name in hub.wrong:
                        content = b"\0" * len(content)
                    self.send(200, content, headers, body=body)

            def send(
                self, status: int, content: bytes, headers: Mapping[str, str] | None = None, *, body: bool
            ) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base names it so
                """Say nothing."""

        return Handler


def is_large(name: str) -> bool:
    """Whether the hub keeps a file apart from git."""
    return name.endswith((".safetensors", ".bin"))


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    """The name that git gives a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
