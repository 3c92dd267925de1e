"""Asks nothing itself: questions go out as batch files of the OpenAI form, and their answers come back so.

The limits are those that OpenAI documents (platform.openai.com/docs/guides/batch): 50,000 requests and 200 MB
a file, one model a file, and an id for each request.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError, LimitReached, QuestionFailed
from fieldmark.reading import read_lines
from fieldmark.records import Question
from fieldmark.tools.llm.answer_store import ModelAnswer
from fieldmark.tools.llm.answers import BadAnswerError
from fieldmark.tools.llm.asker import read_usable
from fieldmark.tools.llm.budget import Budget, TokenCount, tokens_of
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.completion import Completion, HttpStatusError, complaint_of, read_completion
from fieldmark.tools.llm.dialect import WIDER

T = TypeVar("T", bound=BaseModel)

MOST_LINES, MOST_BYTES = 50_000, 200_000_000
MOST_TRIES = 3
"""In so many batches a question is sent where it gets no usable answer; as often as it is asked online."""
_URL = "/v1/chat/completions"
_LONGEST_REPLY = 16 * 1024 * 1024


class BatchModel(ChatModel):
    """A language model whose answers come from batch files; a question without one is kept to be sent.

    Such a question ends like one that a limit kept back: the run stops, keeps everything, and can go on.

    Args:
        replies: Responses by the id of their request; see `read_replies`.
        tries: In how many batches a question was, by its key; after `MOST_TRIES` without a usable answer it
            has failed. Where not given, it waits again as often as it takes.
        sent: The budget of what is sent. A question that would pass its limits is kept back.

    Attributes:
        waiting: Questions that were not answered, by their cache keys, which are their ids.
        taken: How many replies gave a usable answer, which is now stored.
        bad: Replies that gave none, by the reason; their questions wait again.
    """

    _most_bytes: ClassVar[int | None] = 1 << 30  # results of 50,000 questions

    def __init__(
        self,
        *given: Any,
        replies: Mapping[str, Any] | None = None,
        tries: Mapping[str, int] | None = None,
        sent: Budget | None = None,
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self.waiting: dict[str, Question[Any]] = {}
        self.taken = 0
        self.bad: Counter[str] = Counter()
        self._replies = dict(replies or {})
        self._tries = tries or {}
        self._sent = sent

    def lines(self) -> Iterator[bytes]:
        """One request a line for each question that waits, put as the endpoint is known to take it."""
        for key, question in self.waiting.items():
            body = self._dialect.body(question, self.model)
            request = {"custom_id": key, "method": "POST", "url": _URL, "body": body}
            yield json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    async def _heard(self, key: str, question: Question[T]) -> ModelAnswer[T]:
        reply, bad = self._replies.pop(key, None), BadAnswerError("empty", "no result came back")
        if reply is not None:
            try:
                return await self._take(key, question, reply)
            except BadAnswerError as error:
                bad = error
                self.bad[error.reason] += 1
        if self._tries.get(key, 0) >= MOST_TRIES:
            raise QuestionFailed(
                f"{self.endpoint.name} gave no usable answer to {question.prompt_id} "
                f"in {MOST_TRIES} batches: {bad}.",
                reason=bad.reason,
                hint="Ask it online, or use a larger model.",
            )
        if self._sent is not None:
            room = self.room(question)
            (await self._sent.reserve(room)).settle(room, reported=False)
        self.waiting[key] = question
        raise LimitReached(f"Question {question.prompt_id} waits for a batch.", hint="Answer the batch.")

    async def _take(self, key: str, question: Question[T], reply: object) -> ModelAnswer[T]:
        """Read a reply, count what it used, and keep its answer."""
        room = self.room(question)
        with await self._budget.reserve(room) as reservation:
            try:
                completion = _completion(reply)
            except HttpStatusError as refused:
                reservation.settle(TokenCount(), reported=True)
                wording = self._dialect.wording
                other = self._dialect.rephrased(
                    refused.status, refused.complaint, question=question, refused=wording
                )
                self._dialect.wording = other or wording
                raise BadAnswerError("broken", str(refused)) from None
            said = TokenCount(room.prompt, tokens_of(completion.text + completion.thoughts))
            reservation.settle(completion.used or said, reported=completion.used is not None)
        try:
            value, _ = read_usable(completion, question.answer_model)
        except BadAnswerError as error:
            if error.reason == "truncated":
                self._dialect.widen(WIDER, endpoint=self.endpoint.name)
            raise
        used = completion.used
        answer = ModelAnswer(
            value=value,
            key=key,
            cached=False,
            prompt_tokens=used and used.prompt,
            completion_tokens=used and used.completion,
        )
        self._answers.put(answer, text=completion.text, model=self.model, prompt_id=question.prompt_id)
        self.taken += 1
        return answer


@dataclass(frozen=True)
class _Body:
    """A response's body as `read_completion` reads one."""

    content: bytes
    headers: Mapping[str, str]


def _completion(reply: object) -> Completion:
    """What one line of results holds.

    Raises:
        HttpStatusError: The endpoint refused the request.
        BadAnswerError: It is no response at all.
    """
    line = cast("dict[str, Any]", reply) if isinstance(reply, dict) else {}
    response, error = line.get("response"), line.get("error")
    if not isinstance(response, dict) or not isinstance(response.get("body"), dict):
        raise BadAnswerError("broken", complaint_of(error or "no response"))
    status, body = response.get("status_code", 200), response["body"]
    if status != 200:
        raise HttpStatusError(status if isinstance(status, int) else 500, complaint_of(body)[:300])
    return read_completion(_Body(json.dumps(body).encode(), {}), lambda text: text)


def write_batch(lines: Iterable[bytes], out: Path) -> tuple[Path, ...]:
    """Write requests to `out`, or to `out` with -2, -3, ... where they are too many for one file.

    Raises:
        InputError: A request is too large for any file, or the files cannot be written.
    """
    written: list[Path] = []
    held: list[bytes] = []
    size = 0

    def flush() -> None:
        name = out if not written else out.with_stem(f"{out.stem}-{len(written) + 1}")
        try:
            write_whole(name, held)
        except OSError as error:
            raise InputError(f"{name} cannot be written: {error.strerror or error}.") from error
        written.append(name)
        held.clear()

    for line in lines:
        if len(line) > MOST_BYTES:
            raise InputError(
                f"A question has {len(line):,} bytes, and a batch file {MOST_BYTES:,} at most.",
                hint="Ask it online, or with fewer or smaller images.",
            )
        if len(held) == MOST_LINES or size + len(line) > MOST_BYTES:
            flush()
            size = 0
        held.append(line)
        size += len(line)
    if held:
        flush()
    return tuple(written)


def read_replies(files: Iterable[Path]) -> tuple[dict[str, Any], int]:
    """Results by the ids of their requests, and how many lines are no results; of two with one id the last.

    Raises:
        InputError: A file cannot be read.
    """
    found: dict[str, Any] = {}
    unreadable = 0
    for file in files:
        try:
            for line in read_lines(file, longest=_LONGEST_REPLY):
                if not line.strip():
                    continue
                try:
                    reply = json.loads(line)
                    found[reply["custom_id"] + ""] = reply
                except (ValueError, TypeError, LookupError, RecursionError):
                    unreadable += 1
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
    return found, unreadable
