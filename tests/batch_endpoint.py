"""A `FaultyEndpoint` with the files and batches API of OpenAI: it answers batch files by its script."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, error, json_reply


class BatchEndpoint(FaultyEndpoint):
    """The server.

    Attributes:
        files: Files by id.
        batches: Batches by id, in the order in which they came.
        looks: After so many looks at a batch it is over.
        ends: How batches end, one after the other; the last is repeated.
        hook: Called with each batch right before it is answered.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks = 1
        self.ends = ["completed"]
        self.hook: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda results: results
        self.lost = 0
        """So many responses to a batch that was taken get lost."""

    @property
    def sent(self) -> list[list[dict[str, Any]]]:
        """The requests of each batch."""
        return [self.requests(each) for each in self.batches.values()]

    def requests(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def _reply(self, request: Received) -> Reply:
        path = request.path.partition("?")[0].removeprefix("/v1")
        if not path.startswith(("/files", "/batches")):
            return super()._reply(request)
        self.received.append(request)
        if path == "/files":
            name = f"file-{len(self.files)}"
            part = re.search(rb'name="file".*?\r\n\r\n(.*?)\r\n--', request.body, re.DOTALL)
            assert part is not None
            assert b'name="purpose"\r\n\r\nbatch' in request.body
            self.files[name] = part[1]
            return json_reply({"id": name, "object": "file", "purpose": "batch"})
        if path.endswith("/content"):
            return Reply(200, self.files[path.split("/")[2]], {"content-type": "application/octet-stream"})
        if path == "/batches" and request.method == "POST":
            name = f"batch-{len(self.batches)}"
            batch = {"id": name, "object": "batch", "status": "validating", "looks": 0, **request.body}
            self.batches[name] = batch
            if self.lost:
                self.lost -= 1
                return Reply(hang_up=True)
            return json_reply(batch)
        if path == "/batches":
            return json_reply({"object": "list", "data": list(self.batches.values()), "has_more": False})
        batch = self.batches.get(path.split("/")[2])
        if batch is None:
            return error(404, "no such batch")
        batch["looks"] += 1
        if batch["looks"] > self.looks and batch["status"] == "validating":
            self._answer(batch)
        return error(404, "no such batch") if batch["status"] == "forgotten" else json_reply(batch)

    def _answer(self, batch: dict[str, Any]) -> None:
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        batch["status"] = end
        requests = self.requests(batch)
        if end == "failed":
            batch["errors"] = {"data": [{"code": "token_limit", "message": "Enqueued token limit reached."}]}
            return
        answered = [self._line(each) for each in requests]
        if end == "expired":
            answered = answered[: len(answered) // 2]
            late = {"code": "batch_expired", "message": "This request could not be executed in time."}
            errors = [
                {"id": "r", "custom_id": each["custom_id"], "response": None, "error": late}
                for each in requests[len(answered) :]
            ]
            batch["error_file_id"] = self._keep(errors)
        batch["output_file_id"] = self._keep(self.hook(answered))
        batch["request_counts"] = {"total": len(requests), "completed": len(answered), "failed": 0}

    def _line(self, request: dict[str, Any]) -> dict[str, Any]:
        script = self._script[0]
        received = Received(request["method"], request["url"], {}, request["body"])
        reply = script(received) if callable(script) else script
        response = {"status_code": reply.status, "request_id": "r", "body": json.loads(reply.body)}
        return {"id": "r", "custom_id": request["custom_id"], "response": response, "error": None}

    def _keep(self, lines: list[dict[str, Any]]) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = "".join(json.dumps(each) + "\n" for each in lines).encode()
        return name
