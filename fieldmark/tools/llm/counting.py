"""Counts the questions that a language model had to be asked anew."""

from typing import TypeVar

from pydantic import BaseModel

from fieldmark.errors import QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.answer_store import Answer
from fieldmark.tools.llm.chat import LanguageModel

T = TypeVar("T", bound=BaseModel)


class CountingModel:
    """A language model, and how often it was asked; answers out of a cache do not count.

    Args:
        llm: The model that answers. Its errors pass through.
    """

    def __init__(self, llm: LanguageModel) -> None:
        self.calls = 0
        self._llm = llm

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Answer one question."""
        try:
            answer = await self._llm.ask(question)
        except QuestionFailed:
            self.calls += 1
            raise
        self.calls += not answer.cached
        return answer
