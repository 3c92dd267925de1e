"""The language model tool: asks rendered questions of any OpenAI-compatible endpoint, each at most once.

The caller renders the question and gives its answer model.
"""

import asyncio
import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel

from fieldmark.errors import EndpointError, QuestionFailed, SettingsError
from fieldmark.records import Price, Question, Usage, UsageLimits
from fieldmark.tools.llm.address import is_here
from fieldmark.tools.llm.answer_store import AnswerStore, ModelAnswer, answer_key
from fieldmark.tools.llm.asker import Asker
from fieldmark.tools.llm.budget import Budget, TokenCount
from fieldmark.tools.llm.completion import ModelList
from fieldmark.tools.llm.dialect import Dialect, Effort
from fieldmark.tools.llm.endpoint import Endpoint
from fieldmark.tools.llm.pace import Concurrency, Pace

if TYPE_CHECKING:
    import httpx2

    from fieldmark.cache.bytestore import ByteStore

__all__ = ["ChatModel", "LanguageModel", "ModelAnswer"]

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)


class LanguageModel(Protocol):
    """Whatever answers questions.

    Failure contract: `QuestionFailed` is about one question, the others go on; `EndpointError` means that no
    question can be answered now; `LimitReached` comes before the call that would pass a limit, and what was
    answered so far is kept.
    """

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """Answers one question."""
        ...


CONCURRENCY = 16
"""The most calls at a time where nothing else is said."""
TIMEOUT_S = 60.0
"""The most seconds for one HTTP try where nothing else is said."""
LOCAL_CONCURRENCY = 4
"""The same for an endpoint on this machine: its calls share one processor."""
LOCAL_TIMEOUT_S = 600.0
"""The same for an endpoint on this machine: a processor writes a few tokens a second."""


def concurrency_of(model: LanguageModel | None) -> int:
    """How many questions a model takes at a time, where it says so; more need not wait for it at once."""
    return getattr(model, "concurrency", CONCURRENCY)


class ChatModel:
    """A language model behind an OpenAI-compatible endpoint, with a cache, limits and bounded concurrency.

    Use it as an async context manager, within one event loop. Safe to call from many tasks at once:
    identical questions under way at the same time are asked once.

    Args:
        model: The model's name at the endpoint.
        base_url: Base URL; `None` for the SDK's default.
        api_key: The key, never shown and no part of a cache key; `None` where none is needed.
        store: Where answers are kept.
        identity: Name of the endpoint in cache keys; `None` to take the name it gives itself in
            `GET /models` (`fieldmark_identity`), else its normal URL.
        concurrency: The most calls at a time; "auto" finds what brings the most answers a second; `None` for
            16, and for 4 where the endpoint is on this machine.
        limits: The most that may be spent.
        price: Price per million tokens; `None` leaves the cost unknown.
        beside: Another model whose spending counts against the same limits.
        timeout_s: The most seconds for one HTTP try; `None` for 60, and for 600 on this machine.
        max_retries: Retries of the SDK on connection faults, 408, 409 and 5xx; see `Pace.through` for 429.
        answer_retries: How often a question is asked again after an unusable answer; each is a call.
        answer_tokens: The least room of an answer in tokens, thinking included; `None` for what its words
            need. Either is widened once an answer is cut off.
        effort: How long a model that thinks may think; `None` leaves it to the model.
        use_cache: False neither reads nor writes the store.
        refresh: True asks everything anew, once, and replaces what is stored.
        http_client: An own HTTP client; not closed here.

    Raises:
        SettingsError: If the URL, the key or the limits cannot be used.
    """

    _most_bytes: ClassVar[int | None] = None
    """The most bytes of a response; None for what an answer may have."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        store: "ByteStore",
        identity: str | None = None,
        concurrency: Concurrency | None = None,
        limits: UsageLimits | None = None,
        price: Price | None = None,
        beside: "ChatModel | None" = None,
        timeout_s: float | None = None,
        max_retries: int = 2,
        answer_retries: int = 2,
        answer_tokens: int | None = None,
        effort: Effort | None = None,
        use_cache: bool = True,
        refresh: bool = False,
        http_client: "httpx2.AsyncClient | None" = None,
    ) -> None:
        here = is_here(base_url)
        concurrency = (LOCAL_CONCURRENCY if here else CONCURRENCY) if concurrency is None else concurrency
        timeout_s = (LOCAL_TIMEOUT_S if here else TIMEOUT_S) if timeout_s is None else timeout_s
        if (
            not model.strip()
            or (concurrency != "auto" and concurrency < 1)
            or min(max_retries, answer_retries) < 0
            or timeout_s <= 0
        ):
            raise SettingsError(
                "The language model needs a name, a concurrency of at least 1, retries of at least 0 and a "
                "timeout above 0 s.",
                hint="Correct the language-model settings.",
            )
        self.model = model
        self._slots = Pace(concurrency)
        self.concurrency = self._slots.most
        self.answer_tokens = answer_tokens
        self.effort: Effort | None = effort
        self.endpoint = Endpoint(
            model,
            base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            max_retries=max_retries,
            pace=self._slots,
            most_bytes=self._most_bytes,
            http_client=http_client,
        )
        self._answers = AnswerStore(store, use_cache=use_cache, refresh=refresh)
        self._identity = identity
        self._served: ModelList | None = None
        self._looking = asyncio.Lock()
        self._budget = Budget(limits or UsageLimits(), price, beside=beside._budget if beside else None)
        self._dialect = Dialect(answer_tokens=answer_tokens, effort=effort)
        self._asker = Asker(self.endpoint, self._dialect, self._budget, retries=answer_retries)
        self._flights: dict[tuple[str, type[BaseModel]], _Flight] = {}
        self._counts = Usage()

    def __repr__(self) -> str:
        return f"ChatModel({self.model!r}, base_url={self.endpoint.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stops what is under way and closes the connections."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.endpoint.aclose()

    @property
    def usage(self) -> Usage:
        """What was spent so far, fresh and cached apart."""
        asked = self._counts
        return self._budget.usage.model_copy(
            update={
                "requests": asked.requests,
                "cached": asked.cached,
                "failed": asked.failed,
                "http_tries": self.endpoint.tries,
                "widened": self._asker.widened,
            }
        )

    @property
    def calls(self) -> int:
        """Calls held against the limit: more than `usage.requests` where a question was asked again."""
        return self._budget.calls

    @property
    def identity(self) -> str:
        """Name of the endpoint in cache keys; settled by the first question, `key` or `peek`."""
        return self._identity or self.endpoint.url

    @property
    def lasting(self) -> bool:
        """Whether its identity holds beyond this process: an endpoint's does."""
        return True

    async def identify(self) -> str:
        """Model and endpoint as one name, settled now: what all answers depend on beside their questions."""
        await self._identify()
        return f"{self.model}@{self.identity}"

    @property
    def response_format(self) -> str:
        """The way of asking for JSON in use: "json_schema", "json_object" or "text"."""
        return self._dialect.wording.form.value

    @property
    def faults(self) -> dict[str, int]:
        """How many unusable answers came back, by reason; those that asking again mended are among them."""
        return dict(self._asker.faults)

    def estimate(self, question: Question[Any]) -> int:
        """Tokens that one call for the question is taken to need: bytes / 3 plus the answer's room."""
        return self.room(question).total

    def room(self, question: Question[Any]) -> TokenCount:
        """The same, what is sent and what may come back apart."""
        return self._asker.room(question)

    def cost_of(self, tokens: TokenCount) -> float | None:
        """What tokens cost; None where no price is set."""
        return self._budget.cost_of(tokens)

    async def key(self, question: Question[Any]) -> str:
        """The question's cache key. Never depends on the API key or on the response format in use.

        Raises:
            QuestionFailed: If the question holds text that cannot be sent ("unsendable").
        """
        await self._identify()
        try:
            return answer_key(question, identity=self.identity, model=self.model)
        except ValueError:
            raise QuestionFailed(
                f"Question {question.prompt_id} holds text that is no valid Unicode.",
                reason="unsendable",
                hint="Look for names that were read with the wrong encoding.",
            ) from None

    async def peek(self, question: Question[Any]) -> bool:
        """Whether the question would be answered from the cache. Asks nothing."""
        return self._answers.get(await self.key(question), question.answer_model) is not None

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """Answers one question, from the cache where it was answered before.

        Args:
            question: The rendered question.

        Returns:
            The validated answer.

        Raises:
            QuestionFailed: If this question got no usable answer within bounds.
            EndpointError: If no question can be answered.
            LimitReached: Before a call that would pass a limit.
            CacheError: If the answer cannot be stored.
        """
        key = await self.key(question)
        stored = self._answers.get(key, question.answer_model)
        if stored is not None:
            self._count(cached=1)
            return stored
        place = (key, question.answer_model)
        flight = self._flights.get(place)
        if flight is not None:
            answer = await self._join(place, flight)
            self._count(cached=1)
            return dataclasses.replace(answer, cached=True)
        flight = _Flight(asyncio.create_task(self._fly(key, question)))
        self._flights[place] = flight
        return await self._join(place, flight)

    async def _join(self, place: tuple[str, type[BaseModel]], flight: "_Flight") -> ModelAnswer[Any]:
        """Waits for a call under way; the last one to lose interest cancels it."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if self._flights.get(place) is flight and (flight.task.done() or not flight.waiting):
                del self._flights[place]
            if not flight.task.done() and not flight.waiting:
                flight.task.cancel()
                await asyncio.wait({flight.task})
                if not flight.task.cancelled():
                    flight.task.exception()  # nobody is left to hear of it

    async def _fly(self, key: str, question: Question[T]) -> ModelAnswer[T]:
        try:
            answer = await self._answers.once(key, question, ask=self._heard, slots=self._slots)
        except (QuestionFailed, EndpointError) as error:
            self._count(requests=1, failed=1)
            logger.debug("Question %s failed: %s", question.prompt_id, error.message)
            raise
        self._count(**{"cached" if answer.cached else "requests": 1})
        return answer

    async def _heard(self, key: str, question: Question[T]) -> ModelAnswer[T]:
        """Asks, and keeps the answer the moment it arrives."""
        heard = await self._asker.ask(question, served=self._served)
        answer = ModelAnswer(
            value=heard.value,
            key=key,
            cached=False,
            prompt_tokens=heard.used and heard.used.prompt,
            completion_tokens=heard.used and heard.used.completion,
            shares=heard.shares,
        )
        self._answers.put(answer, text=heard.text, model=self.model, prompt_id=question.prompt_id)
        return answer

    async def _identify(self) -> None:
        """Settles the endpoint's name on first use: one short request, and its URL where that fails."""
        if self._identity is None:
            async with self._looking:
                if self._identity is None:
                    self._served = await self.endpoint.models()
                    own = {} if self._served is None else self._served.identities
                    self._identity = own.get(self.model, self.endpoint.url)

    def _count(self, **more: int) -> None:
        self._counts += Usage(**more)


@dataclass
class _Flight:
    """A question under way, and how many wait for it."""

    task: "asyncio.Task[ModelAnswer[Any]]"
    waiting: int = 0
