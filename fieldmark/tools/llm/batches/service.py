"""Has an endpoint with OpenAI's files and batches API answer a batch file: sends it, looks, fetches results.

What it says is documented at platform.openai.com/docs/api-reference/batch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from fieldmark.errors import EndpointError, QuestionFailed
from fieldmark.reading import open_regular
from fieldmark.records import Record
from fieldmark.tools.llm.completion import HttpStatusError, one_line
from fieldmark.tools.llm.endpoint import Endpoint

OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
"""Statuses after which nothing more comes."""
_FILE_S, _LOOK_S = 3600.0, 60.0
"""Seconds for sending or fetching a file, and for anything else."""
_MOST_LISTED = 100
_ELSEWHERE = (
    "Write the questions into a file, have it answered in another way, and import the results; or ask online."
)


class BatchGone(EndpointError):
    """A batch, or a file of its results, that the service does not know any more."""


class ServiceBatch(Record):
    """What a service says of a batch."""

    id: str = Field(min_length=1, max_length=500)
    status: str = Field(max_length=100)
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    done: int = 0
    """Requests with an answer, or with an error in its place."""
    complaint: str = ""
    """Why it was refused, where it was; one line."""


class BatchService:
    """The files and the batches of one endpoint.

    Args:
        endpoint: The endpoint, whose responses may be large.

    Each method raises an `EndpointError` where the endpoint cannot be used so, and a `QuestionFailed` where
    it might another time.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def upload(self, file: Path) -> str:
        """Send a batch file; gives the id that it has there."""
        with open_regular(file) as opened:
            said = await self._call(
                lambda sdk: sdk.files.with_raw_response.create(file=(file.name, opened), purpose="batch"),
                timeout_s=_FILE_S,
            )
        name = said.get("id")
        if not isinstance(name, str) or not name:
            raise self._nonsense()
        return name

    async def create(self, file_id: str) -> ServiceBatch:
        """Have a file answered. It is never sent again by itself: a broken connection may have begun it."""
        return self._read(
            await self._call(
                lambda sdk: sdk.with_options(max_retries=0).batches.with_raw_response.create(
                    input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"
                )
            )
        )

    async def of_file(self, file_id: str) -> ServiceBatch | None:
        """The batch that answers a file, where there is one among the latest."""
        said = await self._call(lambda sdk: sdk.batches.with_raw_response.list(limit=_MOST_LISTED))
        listed = said.get("data")
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and each.get("input_file_id") == file_id:
                return self._read(each)
        return None

    async def look(self, batch_id: str) -> ServiceBatch:
        """How a batch is getting on."""
        with _gone(batch_id):
            return self._read(await self._call(lambda sdk: sdk.batches.with_raw_response.retrieve(batch_id)))

    async def fetch(self, file_id: str) -> bytes:
        """The results in a file."""
        with _gone(file_id):
            return await self._send(
                lambda sdk: sdk.files.with_raw_response.content(file_id), timeout_s=_FILE_S
            )

    async def _call(self, send: Any, *, timeout_s: float = _LOOK_S) -> dict[str, Any]:
        body = await self._send(send, timeout_s=timeout_s)
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            raise self._nonsense() from None
        if not isinstance(said, dict):
            raise self._nonsense()
        return said

    async def _send(self, send: Any, *, timeout_s: float) -> bytes:
        try:
            return await self._endpoint.call(send, timeout_s=timeout_s)
        except HttpStatusError as refused:
            if refused.status in (404, 405, 410, 501):
                raise BatchGone(
                    f"{self._endpoint.url} does not answer batches (HTTP {refused.status}). "
                    f"It says: {refused.complaint.rstrip('.')}.",
                    hint=_ELSEWHERE,
                ) from None
            raise self._endpoint.failure(refused) from None

    def _read(self, said: dict[str, Any]) -> ServiceBatch:
        errors = said.get("errors")
        listed = errors.get("data") if isinstance(errors, dict) else None
        first = listed[0] if isinstance(listed, list) and listed else None
        complaint = first.get("message") if isinstance(first, dict) else None
        counts = said.get("request_counts")
        counted = [counts.get(name) for name in ("completed", "failed")] if isinstance(counts, dict) else []
        known = {name: said[name] for name in ServiceBatch.model_fields if name in said}
        more = {
            "done": sum(each for each in counted if isinstance(each, int)),
            "complaint": self._endpoint.hide(one_line(str(complaint or "")))[:300],
        }
        try:
            return ServiceBatch.model_validate(known | more)
        except ValidationError:
            raise self._nonsense() from None

    def _nonsense(self) -> EndpointError:
        return EndpointError(
            f"{self._endpoint.url} does not speak the protocol of batches: its response is no batch.",
            hint=_ELSEWHERE,
        )


@contextmanager
def _gone(name: str) -> Iterator[None]:
    """What was there once, and is not now: the service forgot it."""
    try:
        yield
    except BatchGone as error:
        raise BatchGone(f"The service does not know {name} any more.", hint=error.hint) from None


def may_pass(error: Exception) -> bool:
    """Whether a failure may be over another time."""
    return isinstance(error, QuestionFailed) and error.retryable


def never_asked(reply: object) -> bool:
    """Whether a result only says that its question's turn did not come before the batch ended."""
    said = reply.get("error") if isinstance(reply, dict) else None
    return isinstance(said, dict) and said.get("code") in ("batch_expired", "batch_cancelled")
