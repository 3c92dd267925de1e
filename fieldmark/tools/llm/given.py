"""Puts a language model that the caller made in the place of one behind an endpoint."""

from typing import Any, TypeVar

from pydantic import BaseModel

from fieldmark.errors import LimitReached
from fieldmark.records import Question, Usage, UsageLimits
from fieldmark.tools.llm.answer_store import ModelAnswer
from fieldmark.tools.llm.budget import TokenCount, room_of
from fieldmark.tools.llm.chat import ChatModel, LanguageModel
from fieldmark.tools.llm.counting import CountingModel

T = TypeVar("T", bound=BaseModel)


class GivenModel(CountingModel):
    """A language model of the caller's with what a run needs beside its answers: a name, counts, limits.

    Nothing is cached here: whether a question that was asked before is asked again is up to the model.

    Args:
        llm: The model. `model`, its name, and `identity`, what its answers depend on, are used where it has
            them; else the name of its class stands for both.
        limits: The most calls and tokens; its cost is unknown.
    """

    response_format = "object"

    def __init__(self, llm: LanguageModel, limits: UsageLimits | None = None) -> None:
        super().__init__(llm)
        self._name = str(getattr(llm, "model", "") or type(llm).__name__)
        self._limits = limits or UsageLimits()
        self._begun = 0
        self._cached = 0
        self._tokens = [0, 0]
        self._unreported = 0

    @property
    def model(self) -> str:
        """The model's name."""
        return self._name

    @property
    def identity(self) -> str:
        """What its answers depend on beside their questions."""
        return str(getattr(self._llm, "identity", "") or f"object:{type(self._llm).__qualname__}")

    async def identify(self) -> str:
        """Model and identity as one name."""
        return f"{self.model}@{self.identity}"

    @property
    def lasting(self) -> bool:
        """Whether its identity holds beyond this process, so that what is made of its answers may be kept."""
        return bool(getattr(self._llm, "identity", ""))

    @property
    def usage(self) -> Usage:
        """What was asked so far; the cost is unknown."""
        return Usage(
            requests=self.calls,
            cached=self._cached,
            failed=self.failed,
            prompt_tokens=self._tokens[0],
            completion_tokens=self._tokens[1],
            unreported=self._unreported,
        )

    async def peek(self, question: Question[Any]) -> bool:
        """Whether the answer is known already: here, never."""
        return False

    def estimate(self, question: Question[Any]) -> int:
        """Tokens that a question is taken to need: its bytes / 3 and the answer's maximum."""
        return self.room(question).total

    def room(self, question: Question[Any]) -> TokenCount:
        """The same, what is sent and what may come back apart."""
        return room_of(question)

    def cost_of(self, tokens: TokenCount) -> float | None:
        """What tokens cost: unknown."""
        return None

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """See `LanguageModel`.

        Raises:
            LimitReached: This call would pass a limit.
        """
        calls, tokens = self._limits.max_calls, self._limits.max_tokens
        if calls is not None and self._begun >= calls:
            raise LimitReached(f"The limit of {calls} calls is reached.", hint="Raise max_calls to go on.")
        if tokens is not None and sum(self._tokens) + self.estimate(question) > tokens:
            raise LimitReached(
                f"The next call may pass the limit of {tokens} tokens.", hint="Raise max_tokens to go on."
            )
        self._begun += 1
        answer = await super().ask(question)
        if answer.cached:
            self._begun -= 1
            self._cached += 1
            return answer
        self._unreported += answer.prompt_tokens is None
        self._tokens[0] += answer.prompt_tokens or 0
        self._tokens[1] += answer.completion_tokens or 0
        return answer


AskedModel = ChatModel | GivenModel
"""A language model as a run asks it."""
