"""Measures how long a language model was being asked, whatever ran in parallel."""

import time
from typing import TypeVar

from pydantic import BaseModel

from fieldmark.records import Question
from fieldmark.tools.llm.chat import Answer, ChatModel

T = TypeVar("T", bound=BaseModel)


class TimedModel:
    """A language model with a clock: `seconds` is the time in which at least one question was under way."""

    def __init__(self, inner: ChatModel) -> None:
        self.inner = inner
        self.seconds = 0.0
        self._under_way = 0
        self._since = 0.0

    @property
    def model(self) -> str:
        """The model's name."""
        return self.inner.model

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Ask, with the clock running."""
        if not self._under_way:
            self._since = time.perf_counter()
        self._under_way += 1
        try:
            return await self.inner.ask(question)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self.seconds += time.perf_counter() - self._since
