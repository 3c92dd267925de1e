"""Asks one endpoint a question until an answer is usable, and puts it otherwise where that helps."""

import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel

from fieldmark.errors import EndpointBusy, EndpointError, QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.answers import BadAnswerError, read_answer
from fieldmark.tools.llm.budget import IMAGE_TOKENS, Budget, TokenCount, tokens_of
from fieldmark.tools.llm.completion import Completion, HttpStatusError, ModelList
from fieldmark.tools.llm.dialect import WIDER, Dialect, ResponseFormat, Wording
from fieldmark.tools.llm.endpoint import Endpoint
from fieldmark.tools.llm.word_shares import Shares, word_shares

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

_HINTS = {
    "truncated": "Raise FIELDMARK_ANSWER_TOKENS, or lower FIELDMARK_EFFORT where the model thinks first.",
    "refused": "Reword the question, or use another model.",
    "filtered": "Reword the question, or use another model.",
    "not_json": "Check that the base URL ends in /v1.",
}
_OTHER_HINT = "A larger model, or a server that enforces JSON schemas, helps."
_HIDDEN = "its answer stands in reasoning_content alone, where thinking belongs"
_HIDDEN_HINT = "Start the server without its reasoning parser, or with the one for this model."
_FAILED_ATTEMPT = re.compile(
    r"(failed|unable|could not|did not|not able) to (generate|produce)|failed_generation|generation failed"
    r"|json_validate_failed|generated json|try again|please retry|model (output|response)"
)
"""A refusal with these words is about what the model wrote, not about what it was sent."""
_MOST_CUT = 2


@dataclass(frozen=True)
class UsableAnswer(Generic[T]):
    """A usable answer: its value, the text it was read from, and the tokens of the call, where reported.

    `shares` is as in `ModelAnswer`.
    """

    value: T
    text: str
    used: TokenCount | None
    shares: Shares = ()


class Asker:
    """Asks questions within a budget.

    Attributes:
        faults: Unusable answers so far, by reason.
        widened: Questions asked again with more room, since their answer was cut off.

    Args:
        endpoint: The endpoint.
        dialect: What it understands.
        budget: What may be spent.
        retries: How often a question is asked again after an unusable answer.
    """

    def __init__(self, endpoint: Endpoint, dialect: Dialect, budget: Budget, *, retries: int) -> None:
        self.faults: Counter[str] = Counter()
        self.widened = 0
        self._endpoint = endpoint
        self._dialect = dialect
        self._budget = budget
        self._tries = 1 + retries

    async def ask(self, question: Question[T], *, served: ModelList | None = None) -> UsableAnswer[T]:
        """Asks until an answer is usable or the tries are used up.

        An answer that was cut off is asked for once more, with `WIDER` times the room: a cap for visible
        words caps hidden thinking, too.

        Args:
            question: The question.
            served: The models served, where known, to name in a hint.

        Raises:
            QuestionFailed: If no answer is usable.
            EndpointError: If no question can be answered.
            LimitReached: Before a call that would pass a limit, or that the endpoint does not take now.
        """
        dialect, name = self._dialect, self._endpoint.name
        wording: Wording | None = None
        instead: ResponseFormat | None = None
        note, cut, made = "", 0, 0
        bad = BadAnswerError("empty", "no answer")
        for _ in range(self._tries):
            made += 1
            completion, used = await self._call(question, wording or dialect.wording, note, served)
            try:
                value, bare = read_usable(completion, question.answer_model)
            except BadAnswerError as error:
                bad = error
                self.faults[bad.reason] += 1
                logger.info("%s: %s is unusable (%s).", name, question.prompt_id, bad)
                note = _note(bad)
                wording = None if wording is None else used
                if bad.reason == "truncated":
                    cut += 1
                    if cut == _MOST_CUT:
                        break
                    self.widened += used.room < WIDER
                    wording = replace(used, room=WIDER)
                    if completion.thoughts or not completion.text.strip():
                        dialect.widen(WIDER, endpoint=name)
                elif bad.reason in ("malformed", "off_schema") and not dialect.proven:
                    # The endpoint may be ignoring the format.
                    instead = used.form.fallback or used.form
                    wording = replace(used, form=instead)
                continue
            if used.form is instead and instead is not dialect.wording.form and not dialect.proven:
                dialect.keep_to(used.form, endpoint=name)
            if bare and used.form is dialect.wording.form:
                dialect.proven = True
            if cut:
                dialect.widen(used.room, endpoint=name)
            shares = word_shares(completion.text, completion.tokens, question.weigh)
            return UsableAnswer(value, completion.text, completion.used, shares)
        raise self._given_up(question, bad, made)

    def room(self, question: Question[Any], wording: Wording | None = None) -> TokenCount:
        """The tokens one call may use: an estimate of what is sent, and the most an answer may take."""
        body = self._dialect.body(question, self._endpoint.model, wording=wording)
        return _room(body, question, self._dialect.room(question, wording))

    async def _call(
        self, question: Question[Any], asked: Wording, note: str, served: ModelList | None
    ) -> tuple[Completion, Wording]:
        """Makes one call within the limits, put otherwise where the endpoint refuses its wording."""
        endpoint, put = self._endpoint, asked
        first: HttpStatusError | None = None
        while True:  # ends, as `rephrased` does
            body = self._dialect.body(question, endpoint.model, wording=put, note=note)
            room = _room(body, question, self._dialect.room(question, put))
            with await self._budget.reserve(room) as reservation:
                try:
                    completion = await endpoint.complete(body, tokens=room.total)
                except HttpStatusError as refused:
                    if refused.status < 500 and _FAILED_ATTEMPT.search(refused.complaint.lower()):
                        reservation.settle(TokenCount(room.prompt, 0), reported=False)
                        said = refused.complaint[:300]
                        fault = BadAnswerError("malformed", f"HTTP {refused.status}: {said}")
                        return Completion("", None, fault), put
                    other = self._dialect.rephrased(
                        refused.status, refused.complaint, question=question, refused=put
                    )
                    if other is not None:
                        reservation.release()  # turned away unread: no call
                        first, put = first or refused, other
                        continue
                    reservation.settle(TokenCount(), reported=True)
                    raise endpoint.failure(first or refused, served=served) from None
                except EndpointBusy:
                    reservation.release()
                    raise
                except EndpointError:
                    reservation.settle(TokenCount(), reported=True)
                    raise
                used = completion.used
                said = completion.text + completion.thoughts
                reservation.settle(
                    used or TokenCount(room.prompt, tokens_of(said)), reported=used is not None
                )
            if completion.fault is None or completion.fault.reason != "not_json":
                self._dialect.took(question, asked, put, endpoint=endpoint.name)
            return completion, put

    def _given_up(self, question: Question[Any], bad: BadAnswerError, tries: int) -> Exception:
        name = self._endpoint.name
        if bad.reason == "not_json" and not self._endpoint.answered:
            return EndpointError(
                f"{name} does not speak the OpenAI protocol: {bad.detail}.", hint=_HINTS["not_json"]
            )
        hint = _HIDDEN_HINT if bad.detail == _HIDDEN else _HINTS.get(bad.reason, _OTHER_HINT)
        return QuestionFailed(
            f"{name} gave no usable answer to {question.prompt_id} in {tries} tries: {bad}.",
            reason=bad.reason,
            hint=hint,
        )


def read_usable(completion: Completion, model: type[T]) -> tuple[T, bool]:
    """Reads a completion's text; an answer that stands among the thinking alone is named, not taken."""
    if completion.fault is None:
        return read_answer(completion.text, model)
    if completion.fault.reason == "empty" and completion.thoughts:
        try:
            read_answer(completion.thoughts, model)
        except BadAnswerError:
            raise completion.fault from None
        raise BadAnswerError("empty", _HIDDEN)
    raise completion.fault


def _room(body: dict[str, Any], question: Question[Any], answer: int) -> TokenCount:
    images = sum(len(message.images) for message in question.messages)
    texts: list[str] = []
    for message in cast("list[dict[str, Any]]", body["messages"]):
        content = message["content"]
        texts += (
            [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]
        )
    return TokenCount(sum(tokens_of(text) for text in texts) + images * IMAGE_TOKENS, answer)


def _note(bad: BadAnswerError) -> str:
    if bad.reason == "truncated":
        return "Your last answer was cut off for its length. Answer again, more briefly."
    if bad.reason in ("malformed", "off_schema"):
        return f"Your last answer could not be used ({bad.detail}). Answer again with only the JSON object."
    return ""
