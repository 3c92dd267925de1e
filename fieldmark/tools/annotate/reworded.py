"""A language model that is asked in other words than the shipped ones."""

from typing import TypeVar

from pydantic import BaseModel

from fieldmark.prompts.rules import with_rules
from fieldmark.records import Question, Words
from fieldmark.tools.llm.chat import LanguageModel, ModelAnswer, concurrency_of

T = TypeVar("T", bound=BaseModel)


class RewordedModel:
    """Puts other rules into the questions of the prompts that words are there for, and asks a model.

    Answers are kept by what was asked, so that those to the shipped words are never taken for them.

    Args:
        llm: The model.
        words: The words.
    """

    def __init__(self, llm: LanguageModel, words: Words) -> None:
        self._llm = llm
        self._instructions = words.instructions

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
        return await self._llm.ask(with_rules(question, self._instructions))
