"""The language model tool: asks rendered questions of any OpenAI-compatible endpoint, each at most once.

The caller renders the question and gives its answer model.
"""

import asyncio
import dataclasses
import logging
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from pydantic import BaseModel

from fieldmark.errors import EndpointError, QuestionFailed, SettingsError
from fieldmark.records import Price, Question, Usage, UsageLimits
from fieldmark.tools.llm.answer_store import AnswerStore, ModelAnswer, answer_key
from fieldmark.tools.llm.answers import BadAnswerError, read_answer
from fieldmark.tools.llm.budget import IMAGE_TOKENS, Budget, TokenCount, tokens_of
from fieldmark.tools.llm.dialect import Dialect, ResponseFormat
from fieldmark.tools.llm.endpoint import Completion, Endpoint, HttpStatusError, ModelList

if TYPE_CHECKING:
    import httpx2

    from fieldmark.cache.bytestore import ByteStore

__all__ = ["ChatModel", "LanguageModel", "ModelAnswer"]

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

_HINTS = {
    "truncated": "Raise the answer's token limit.",
    "refused": "Reword the question, or use another model.",
    "filtered": "Reword the question, or use another model.",
    "not_json": "Check that the base URL ends in /v1.",
}
_OTHER_HINT = "A larger model, or a server that enforces JSON schemas, helps."


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
        concurrency: The most calls at a time.
        limits: The most that may be spent.
        price: Price per million tokens; `None` leaves the cost unknown.
        beside: Another model whose spending counts against the same limits.
        timeout_s: The most seconds for one HTTP try.
        max_retries: Retries of the SDK on connection faults, 408, 409, 429 and 5xx.
        answer_retries: How often a question is asked again after an unusable answer; each is a call.
        use_cache: False neither reads nor writes the store.
        refresh: True asks everything anew, once, and replaces what is stored.
        http_client: An own HTTP client; not closed here.

    Raises:
        SettingsError: If the URL, the key or the limits cannot be used.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        store: "ByteStore",
        identity: str | None = None,
        concurrency: int = CONCURRENCY,
        limits: UsageLimits | None = None,
        price: Price | None = None,
        beside: "ChatModel | None" = None,
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 2,
        answer_retries: int = 2,
        use_cache: bool = True,
        refresh: bool = False,
        http_client: "httpx2.AsyncClient | None" = None,
    ) -> None:
        if not model.strip() or concurrency < 1 or min(max_retries, answer_retries) < 0 or timeout_s <= 0:
            raise SettingsError(
                "The language model needs a name, a concurrency of at least 1, retries of at least 0 and a "
                "timeout above 0 s.",
                hint="Correct the language-model settings.",
            )
        self.model = model
        self.concurrency = concurrency
        self.endpoint = Endpoint(
            model,
            base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            max_retries=max_retries,
            connections=concurrency + 1,  # one for the list of models
            http_client=http_client,
        )
        self._answers = AnswerStore(store, use_cache=use_cache, refresh=refresh)
        self._identity = identity
        self._served: ModelList | None = None
        self._looking = asyncio.Lock()
        self._slots = asyncio.Semaphore(concurrency)
        self._budget = Budget(limits or UsageLimits(), price, beside=beside._budget if beside else None)
        self._answer_retries = answer_retries
        self._dialect = Dialect()
        self._flights: dict[tuple[str, type[BaseModel]], _Flight] = {}
        self._counts = Usage()
        self._faults: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"ChatModel({self.model!r}, base_url={self.endpoint.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            update={"requests": asked.requests, "cached": asked.cached, "failed": asked.failed}
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
        return self._dialect.format.value

    @property
    def faults(self) -> dict[str, int]:
        """How many unusable answers came back, by reason; those that asking again mended are among them."""
        return dict(self._faults)

    def estimate(self, question: Question[Any]) -> int:
        """Tokens that one call for the question is taken to need: bytes / 3 plus the answer's maximum."""
        body = self._dialect.body(question, self.model, form=self._dialect.format)
        return _room(body, question).total

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
            async with self._slots:
                answer = await self._converse(key, question)
        except (QuestionFailed, EndpointError) as error:
            self._count(requests=1, failed=1)
            logger.debug("Question %s failed: %s", question.prompt_id, error.message)
            raise
        self._count(requests=1)
        return answer

    async def _converse(self, key: str, question: Question[T]) -> ModelAnswer[T]:
        """Asks until an answer is usable or the tries are used up; stores it the moment it arrives."""
        name = self.endpoint.name
        form: ResponseFormat | None = None
        note = ""
        bad: BadAnswerError | None = None
        tries = 1 + self._answer_retries
        for _ in range(tries):
            completion, used_form = await self._call(question, form, note)
            try:
                if completion.fault is not None:
                    raise completion.fault
                value, bare = read_answer(completion.text, question.answer_model)
            except BadAnswerError as error:
                bad = error
                self._faults[bad.reason] += 1
                logger.info("%s: %s is unusable (%s).", name, question.prompt_id, bad)
                if bad.reason in ("malformed", "off_schema") and not self._dialect.proven:
                    form = used_form.fallback or used_form  # the endpoint may be ignoring the format
                note = "" if bad.reason == "not_json" else _note(bad)
                continue
            if form is used_form and used_form is not self._dialect.format and not self._dialect.proven:
                self._dialect.settle_on(used_form, endpoint=name, why="is ignored")
            if bare and used_form is self._dialect.format:
                self._dialect.proven = True
            used = completion.used
            answer = ModelAnswer(
                value=value,
                key=key,
                cached=False,
                prompt_tokens=used and used.prompt,
                completion_tokens=used and used.completion,
            )
            self._answers.put(answer, text=completion.text, model=self.model, prompt_id=question.prompt_id)
            return answer
        if bad is None:  # there is at least one try
            raise RuntimeError("no try was made")
        if bad.reason == "not_json" and not self.endpoint.answered:
            raise EndpointError(
                f"{name} does not speak the OpenAI protocol: {bad.detail}.", hint=_HINTS["not_json"]
            )
        raise QuestionFailed(
            f"{name} gave no usable answer to {question.prompt_id} in {tries} tries: {bad}.",
            reason=bad.reason,
            hint=_HINTS.get(bad.reason, _OTHER_HINT),
        )

    async def _call(
        self, question: Question[Any], form: ResponseFormat | None, note: str
    ) -> tuple[Completion, ResponseFormat]:
        """Makes one call within the limits, put otherwise where the endpoint refuses its wording."""
        while True:  # ends, as `learn` does
            used_form = form or self._dialect.format
            body = self._dialect.body(question, self.model, form=used_form, note=note)
            room = _room(body, question)
            with await self._budget.reserve(room) as reservation:
                try:
                    completion = await self.endpoint.complete(body)
                except HttpStatusError as refused:
                    form = self._dialect.learn(
                        refused.status,
                        refused.complaint,
                        body=body,
                        form=used_form,
                        endpoint=self.endpoint.name,
                    )
                    if form is not None:
                        reservation.release()  # turned away unread: no call
                        continue
                    reservation.settle(TokenCount(), reported=True)
                    raise self.endpoint.failure(refused, served=self._served) from None
                except EndpointError:
                    reservation.settle(TokenCount(), reported=True)
                    raise
                used = completion.used
                reservation.settle(
                    used or TokenCount(room.prompt, tokens_of(completion.text)), reported=used is not None
                )
                return completion, used_form

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


def _room(body: dict[str, Any], question: Question[Any]) -> TokenCount:
    """The tokens one call may use: an estimate of what is sent, and the answer's maximum."""
    images = sum(len(message.images) for message in question.messages)
    texts: list[str] = []
    for message in cast("list[dict[str, Any]]", body["messages"]):
        content = message["content"]
        texts += (
            [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]
        )
    return TokenCount(sum(tokens_of(text) for text in texts) + images * IMAGE_TOKENS, question.max_tokens)


def _note(bad: BadAnswerError) -> str:
    if bad.reason == "truncated":
        return "Your last answer was cut off for its length. Answer again, more briefly."
    if bad.reason in ("malformed", "off_schema"):
        return f"Your last answer could not be used ({bad.detail}). Answer again with only the JSON object."
    return ""
