"""Makes the HTTP request body of a question, and remembers what an endpoint does not understand."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.answer_schema import bounded_schema, strict_schema

logger = logging.getLogger(__name__)

Effort = Literal["low", "medium", "high"]
"""How long a model that thinks may think."""
WIDER = 8
"""How many times the words of an answer a model that thinks gets to think and to answer."""


class ResponseFormat(StrEnum):
    """The ways to ask for JSON, best first; each next one is the fallback of the one before."""

    SCHEMA = "json_schema"
    JSON = "json_object"
    TEXT = "text"

    @property
    def fallback(self) -> "ResponseFormat | None":
        """The fallback of this format; `None` for plain text."""
        return {ResponseFormat.SCHEMA: ResponseFormat.JSON, ResponseFormat.JSON: ResponseFormat.TEXT}.get(
            self
        )


@dataclass(frozen=True)
class Wording:
    """How a question is put: every part that some endpoint refuses. No part of a cache key.

    Attributes:
        form: How JSON is asked for.
        bounded: Whether the schema bounds every string and list.
        system: Whether system text has a message of its own; else it opens the user's.
        room: How many times the question's own room the answer gets.
        length_field: What the answer's room is called.
        left_out: Parameters that are not sent: "temperature", "seed", "reasoning_effort", "logprobs".
    """

    form: ResponseFormat = ResponseFormat.SCHEMA
    bounded: bool = True
    system: bool = True
    room: int = 1
    length_field: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def without(self, name: str) -> "Wording":
        """The same without one parameter."""
        return replace(self, left_out=self.left_out | {name})


_FORMAT_WORDS = (
    "response_format", "response format", "json_schema", "json schema", "json_object", "json mode",
    "structured output", "guided", "grammar",
)  # fmt: skip
_UNKNOWN_WORDS = (
    "not support", "unsupported", "not permitted", "not allowed", "unknown", "unrecognized", "unexpected",
    "extra",
)  # fmt: skip
_KEYWORDS = re.compile(r"maxlength|maxitems|max_length|max_items|repetition|['\"`](?:min|max)imum['\"`]")
_ROLES = re.compile(
    r"system.{0,20}(role|message|prompt|instruction)|(role|message).{0,20}system|developer instruction"
    r"|roles? must|chat.?template|jinja|raise_exception"
)
_TOO_LONG = re.compile(r"context.{0,3}(length|size|window)")
_WANTED = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
LOG_PROBS = "logprobs"
_ALTERNATIVES = 5
"""Words beside the chosen one that are told with their probabilities; some endpoints tell no more."""
_REFUSING = frozenset({400, 415, 422, 500, 501})
_UNREAD = frozenset({400, 422})
"""With these an endpoint refuses what it was sent; a 500 needs words that say so."""
_MOST_IN_VAIN = 3
"""Questions that no other wording helped; then refusals are taken to be about the questions."""


class Dialect:
    """What one endpoint understands, learnt from its refusals and kept in memory only.

    Nothing here is part of a cache key: the same question has the same answer however it was worded.

    Args:
        answer_tokens: The least room of an answer in tokens, thinking included; `None` for the question's.
        effort: How long the model may think; `None` says nothing about it.
    """

    def __init__(self, *, answer_tokens: int | None = None, effort: Effort | None = None) -> None:
        self.wording = Wording()
        """The wording of new questions."""
        self.proven = False
        """Whether an answer came back as bare JSON of the right schema in the format of new questions."""
        self._answer_tokens = answer_tokens or 0
        self._effort = effort
        self._taken: set[str] = set()
        """Parts that were in a request which the endpoint took."""
        self._in_vain = 0

    def body(
        self, question: Question[Any], model: str, *, wording: Wording | None = None, note: str = ""
    ) -> dict[str, Any]:
        """Builds the request body.

        Args:
            question: The rendered question.
            model: The model's name at the endpoint.
            wording: How to put it; that of new questions where not given.
            note: What was wrong with the last answer; added to the last user message.
        """
        put = wording or self.wording
        extra = note
        if put.form is not ResponseFormat.SCHEMA:
            text = json.dumps(strict_schema(question.answer_model), ensure_ascii=False)
            extra = f"{_WANTED}\n{text}\n{note}"
        messages = question.messages if put.system else _folded(question.messages)
        body: dict[str, Any] = {
            "model": model,
            "messages": _rendered(messages, extra.strip()),
            "temperature": question.temperature,
            put.length_field: self.room(question, put),
        }
        if question.sample:
            body["seed"] = question.sample
        if self._effort:
            body["reasoning_effort"] = self._effort
        if question.weigh and LOG_PROBS not in put.left_out:
            body |= {LOG_PROBS: True, "top_logprobs": _ALTERNATIVES}
        for name in put.left_out:
            body.pop(name, None)
        if put.form is ResponseFormat.SCHEMA:
            schema = _sent_schema(question, put)
            name = _schema_name(question.answer_model)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": schema, "strict": True},
            }
        elif put.form is ResponseFormat.JSON:
            body["response_format"] = {"type": "json_object"}
        return body

    def room(self, question: Question[Any], wording: Wording | None = None) -> int:
        """The most tokens an answer may take, thinking included."""
        return max(self._answer_tokens, question.max_tokens) * (wording or self.wording).room

    def rephrased(
        self, status: int, complaint: str, *, question: Question[Any], refused: Wording
    ) -> Wording | None:
        """Takes a refusal as a hint at a part of the request that can be put otherwise.

        Where its words name a part, that part changes. Words differ from server to server: where they name
        none, the parts that this endpoint has not taken yet are changed one after the other.

        Returns:
            The wording to try next; `None` where another would not help. Following it ends: each step takes
            something out of the request.
        """
        words = complaint.lower()
        weighs = bool(question.weigh) and LOG_PROBS not in refused.left_out
        if weighs and "logprob" in words:  # 403, too: some accounts may not ask for them
            return refused.without(LOG_PROBS)
        if status not in _REFUSING:
            return None
        named = self._named(words, refused, status)
        if named is not None:
            return named
        if status not in _UNREAD:
            return None
        if refused.room > 1:
            return replace(refused, room=refused.room // 2)
        if _TOO_LONG.search(words) or self._in_vain >= _MOST_IN_VAIN:
            return None
        other = self._untaken(question, refused)
        self._in_vain += other is None and not self._taken
        return other

    def took(self, question: Question[Any], asked: Wording, taken: Wording, *, endpoint: str) -> None:
        """Remember that the endpoint took a request, and put new questions without what it refused before."""
        self._taken.update(self._parts(question, taken))
        changed = {
            each.name: getattr(taken, each.name)
            for each in fields(Wording)
            if getattr(taken, each.name) != getattr(asked, each.name)
        }
        if changed:
            if "left_out" in changed:
                changed["left_out"] = self.wording.left_out | taken.left_out
            if "room" in changed:
                changed["room"] = min(taken.room, self.wording.room)
            self._settle(replace(self.wording, **changed), endpoint=endpoint, why="is refused")

    def widen(self, room: int, *, endpoint: str) -> None:
        """Gives all answers that many times their room from now on."""
        if room > self.wording.room:
            logger.warning("%s: an answer was cut off; answers get %d times the room.", endpoint, room)
            self.wording = replace(self.wording, room=room)

    def keep_to(self, form: ResponseFormat, *, endpoint: str) -> None:
        """Uses a format from now on, since the one in use is ignored."""
        self._settle(replace(self.wording, form=form), endpoint=endpoint, why="is ignored")

    def _settle(self, wording: Wording, *, endpoint: str, why: str) -> None:
        old, self.wording = self.wording, wording
        if wording.form is not old.form:
            self.proven = False
            logger.warning(
                "%s: %s %s; using %s from now on.", endpoint, old.form.value, why, wording.form.value
            )
        for name in sorted(wording.left_out - old.left_out):
            logger.warning("%s does not take this %s; its own default is used.", endpoint, name)
        if wording.system is not old.system:
            logger.warning("%s takes no system message; its text opens the user's.", endpoint)
        if wording.length_field != old.length_field or wording.bounded is not old.bounded:
            logger.info("%s is asked as %s from now on.", endpoint, wording)

    def _named(self, words: str, put: Wording, status: int) -> Wording | None:
        """The wording without the part that the words of a refusal name."""
        unknown = any(word in words for word in _UNKNOWN_WORDS)
        schema = put.form is ResponseFormat.SCHEMA
        if schema and put.bounded and _KEYWORDS.search(words):
            return replace(put, bounded=False)
        if put.form.fallback is not None and any(word in words for word in _FORMAT_WORDS):
            # Perhaps it knows schemas, and not these keywords.
            if schema and put.bounded and not unknown and "bounds" not in self._taken:
                return replace(put, bounded=False)
            return replace(put, form=put.form.fallback)
        if put.system and _ROLES.search(words):
            return replace(put, system=False)
        if status >= 500:
            return None
        if (
            self._effort
            and "reasoning_effort" not in put.left_out
            and re.search(r"reasoning|effort|thinking", words)
        ):
            return put.without("reasoning_effort")
        if not unknown:
            return None
        if put.length_field == "max_tokens" and "max_completion_tokens" in words:
            return replace(put, length_field="max_completion_tokens")
        for name in ("temperature", "seed"):
            if name not in put.left_out and re.search(rf"\b{name}\b", words):
                return put.without(name)
        return None

    def _untaken(self, question: Question[Any], put: Wording) -> Wording | None:
        """The wording without the first part that this endpoint never took."""
        parts = set(self._parts(question, put)) - self._taken
        for name in (LOG_PROBS, "reasoning_effort"):
            if name in parts:
                return put.without(name)
        if "bounds" in parts:
            return replace(put, bounded=False)
        if put.form in parts and put.form.fallback is not None:
            return replace(put, form=put.form.fallback)
        if "system" in parts:  # the format was not to blame: it comes back
            return replace(put, system=False, form=self.wording.form, bounded=self.wording.bounded)
        return None

    def _says_effort(self, put: Wording) -> bool:
        return self._effort is not None and "reasoning_effort" not in put.left_out

    def _parts(self, question: Question[Any], put: Wording) -> Iterator[str]:
        yield put.form
        if question.weigh and LOG_PROBS not in put.left_out:
            yield LOG_PROBS
        if self._says_effort(put):
            yield "reasoning_effort"
        if put.bounded and put.form is ResponseFormat.SCHEMA:
            yield "bounds"
        if put.system and any(message.role == "system" for message in question.messages):
            yield "system"


def _sent_schema(question: Question[Any], put: Wording) -> dict[str, Any]:
    if not put.bounded:
        return strict_schema(question.answer_model)
    # An entry of a list takes some twenty tokens, a name a few; both in steps, so that schemas are made once.
    items = max(question.max_tokens // 20, len(question.about)) // 16 * 16 + 16
    name = max(map(len, question.about), default=None)
    name = name if name is None else name // 16 * 16 + 16
    return bounded_schema(question.answer_model, items=items, name=name)


def _schema_name(model: type[BaseModel]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", model.__name__)[:64] or "answer"


def _folded(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages without the system's: their text opens the first one by the user."""
    kept = [message for message in messages if message.role != "system"]
    text = "\n\n".join(message.content for message in messages if message.role == "system")
    at = next((at for at, message in enumerate(kept) if message.role == "user"), None)
    if at is None:
        return (ChatMessage(role="user", content=text), *kept)
    kept[at] = kept[at].model_copy(update={"content": f"{text}\n\n{kept[at].content}"})
    return tuple(kept)


def _rendered(messages: tuple[ChatMessage, ...], extra: str) -> list[dict[str, Any]]:
    """Renders the messages; `extra` is added to the last one by the user, or as one more."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    rendered: list[dict[str, Any]] = []
    for at, message in enumerate(messages):
        text = f"{message.content}\n\n{extra}" if extra and at == last else message.content
        content: str | list[dict[str, Any]] = text
        if message.images:
            pictures = [
                {"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images
            ]
            content = [{"type": "text", "text": text}, *pictures]
        rendered.append({"role": message.role, "content": content})
    if extra and last == -1:
        rendered.append({"role": "user", "content": extra})
    return rendered
