"""Keeps validated answers in a byte store and reads them back, checked against their answer model."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from fieldmark.cache.keys import canonical_json, content_key
from fieldmark.records import Question
from fieldmark.tools.llm.answer_schema import strict_schema
from fieldmark.tools.llm.word_shares import Shares

if TYPE_CHECKING:
    from fieldmark.cache.bytestore import ByteStore

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

_SHARES = TypeAdapter(Shares)
ANSWER_SCHEMA = "fieldmark.answer/1"
"""Tag of a stored answer, and the version in its key."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
"""How long to wait before looking for another's answer again: twice as long each time, at most the second."""
_BETWEEN_LOOKS_S = 0.005
"""The least time between two such looks: hundreds of questions that wait must not keep the processor busy."""


@dataclass(frozen=True)
class ModelAnswer(Generic[T]):
    """A usable answer.

    Attributes:
        value: The answer, validated.
        key: Its cache key; names the answer in votes and events.
        cached: Whether nothing was asked for it: it was stored, or asked by another at this moment.
        prompt_tokens: Tokens of the question when it was asked; `None` where not reported.
        completion_tokens: Tokens of the answer when it was asked; `None` where not reported.
        shares: For each place in the answer of the field that the question weighs: beginnings of words that
            might have stood there, with their probabilities. Empty where the endpoint told none.
    """

    value: T
    key: str
    cached: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    shares: Shares = ()


def answer_key(question: Question[Any], *, identity: str, model: str) -> str:
    """The cache key of a question: whatever may change its answer, and nothing else.

    The API key, the response format in use and `prompt_id` are no part of it.

    Returns:
        SHA-256 in hex.

    Raises:
        ValueError: If the question holds text that is no valid Unicode.
    """
    return content_key(
        {
            "schema": ANSWER_SCHEMA,
            "endpoint": identity,
            "model": model,
            "messages": [message.model_dump(mode="json") for message in question.messages],
            "temperature": float(question.temperature),
            "max_tokens": question.max_tokens,
            "answer": strict_schema(question.answer_model),
            "sample": question.sample,
            **({"weigh": question.weigh} if question.weigh else {}),
        }
    )


class AnswerStore:
    """Answers by key.

    Args:
        store: The byte store.
        use_cache: False neither reads nor writes it.
        refresh: True reads only what was written since; the rest is replaced as it is asked anew.
    """

    def __init__(self, store: "ByteStore", *, use_cache: bool, refresh: bool) -> None:
        self._store = store
        self._use_cache = use_cache
        self._refresh = refresh
        self._renewed: set[str] = set()
        self._looking = asyncio.Lock()

    def put(self, answer: ModelAnswer[Any], *, text: str, model: str, prompt_id: str) -> None:
        """Keeps a fresh answer, with the text it was read from.

        Raises:
            CacheError: If it cannot be written.
        """
        if not self._use_cache:
            return
        record = {
            "value": answer.value.model_dump(mode="json", by_alias=True, round_trip=True),
            "text": text.encode("utf-8", "replace").decode("utf-8"),
            "usage": {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens},
            "model": model,
            "prompt": prompt_id,
            **({"shares": [dict(each) for each in answer.shares]} if answer.shares else {}),
        }
        self._store.put(answer.key, canonical_json(record).encode("utf-8"), schema=ANSWER_SCHEMA)
        if self._refresh:
            self._renewed.add(answer.key)

    async def once(
        self,
        key: str,
        question: Question[T],
        *,
        ask: Callable[[str, Question[T]], Awaitable[ModelAnswer[T]]],
        slots: AbstractAsyncContextManager[object],
    ) -> ModelAnswer[T]:
        """Ask, unless another process that shares the store asks the same: then its answer is waited for.

        Args:
            key: The question's key.
            question: The question.
            ask: Asks, and puts the answer.
            slots: Held while something is asked; other questions go on while an answer is waited for.
        """
        pause = _FIRST_PAUSE_S
        while True:
            async with slots:
                with self._claim(key) as ours:
                    if ours:
                        # Somebody may have answered between the asker's first look and the claim.
                        return self.get(key, question.answer_model) or await ask(key, question)
            await asyncio.sleep(pause)
            async with self._looking:
                await asyncio.sleep(_BETWEEN_LOOKS_S)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            if (known := self.get(key, question.answer_model)) is not None:
                return known

    def _claim(self, key: str) -> AbstractContextManager[bool]:
        # Where nothing is read, nobody else's answer would be taken either.
        return nullcontext(True) if self._refresh or not self._use_cache else self._store.claim(key)

    def get(self, key: str, answer_model: type[T]) -> ModelAnswer[T] | None:
        """Reads an answer back; one that is not what it should be is a logged miss."""
        if not self._use_cache or (self._refresh and key not in self._renewed):
            return None
        data = self._store.get(key, schema=ANSWER_SCHEMA)
        if data is None:
            return None
        try:
            record = json.loads(data)
            value = answer_model.model_validate_json(json.dumps(record["value"]))
            prompt, completion = record["usage"]["prompt_tokens"], record["usage"]["completion_tokens"]
            for count in (prompt, completion):
                if count is not None and type(count) is not int:
                    raise TypeError("a token count is no integer")
            shares = _SHARES.validate_python(record.get("shares", ()))
        except (ValueError, ValidationError, LookupError, TypeError, RecursionError) as error:
            logger.warning("Stored answer %s cannot be used (%s); asking again.", key, type(error).__name__)
            return None
        return ModelAnswer(
            value=value,
            key=key,
            cached=True,
            prompt_tokens=prompt,
            completion_tokens=completion,
            shares=shares,
        )
