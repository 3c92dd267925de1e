"""Counts what a language model is asked, and the time that it takes."""

import time
from typing import TypeVar

from pydantic import BaseModel

from fieldmark.errors import QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.chat import LanguageModel, ModelAnswer, concurrency_of

T = TypeVar("T", bound=BaseModel)


class CountingModel:
    """A language model with counters.

    Attributes:
        calls: Questions asked anew; answers from a cache do not count.
        failed: Those of them that brought no usable answer.
        seconds: Time in which at least one question was under way.
    """

    def __init__(self, llm: LanguageModel) -> None:
        self.calls = 0
        self.failed = 0
        self.seconds = 0.0
        self._llm = llm
        self._under_way = 0
        self._since = 0.0

    @property
    def model(self) -> str:
        """The model's name, where it has one."""
        return str(getattr(self._llm, "model", ""))

    @property
    def concurrency(self) -> int:
        """How many questions the model takes at a time."""
        return concurrency_of(self._llm)

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """See `LanguageModel`."""
        if not self._under_way:
            self._since = time.perf_counter()
        self._under_way += 1
        try:
            answer = await self._llm.ask(question)
        except QuestionFailed:
            self.calls += 1
            self.failed += 1
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self.seconds += time.perf_counter() - self._since
        self.calls += not answer.cached
        return answer
