"""Keeps language-model spending within limits: reserves an estimate, settles on the reported use."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fieldmark.errors import LimitReached, SettingsError
from fieldmark.records import Price, Question, Usage, UsageLimits

BYTES_PER_TOKEN = 3
"""A cautious figure: English text has about four bytes a token."""
IMAGE_TOKENS = 1_500
"""What one image is taken to cost in tokens before the endpoint says what it did cost."""


@dataclass(frozen=True)
class TokenCount:
    """Tokens of one call: what was sent and what came back."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt + self.completion


def tokens_of(text: str) -> int:
    """Estimates the tokens of a text from its length in UTF-8 bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def room_of(question: Question[Any]) -> TokenCount:
    """The tokens that a question may need, whatever the model: words, images, the longest answer."""
    sent = sum(tokens_of(each.content) for each in question.messages)
    images = sum(len(each.images) for each in question.messages)
    return TokenCount(sent + images * IMAGE_TOKENS, question.max_tokens)


class Reservation:
    """The room kept for one call under way; settle or release it once.

    As a context manager it never leaks: a call that ends without a word about its use (cancelled, timed
    out) counts as having used its whole estimate, since the endpoint may have done the work.
    """

    def __init__(self, budget: "Budget", estimate: TokenCount) -> None:
        self._budget = budget
        self._estimate = estimate
        self._open = True

    def settle(self, used: TokenCount, *, reported: bool) -> None:
        """Replaces the estimate by the use; `reported` is False where the use is itself an estimate."""
        if self._open:
            self._open = False
            self._budget._close(self._estimate, used, reported=reported)

    def release(self) -> None:
        """Gives the room back: the call was never made, or it was turned away unread."""
        if self._open:
            self._open = False
            self._budget._close(self._estimate, None, reported=True)

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(self, *_: object) -> None:
        self.settle(self._estimate, reported=False)


@dataclass
class _Purse:
    """The budgets that are held against limits together, and the news that a call of one of them is over."""

    budgets: "list[Budget]" = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Budget:
    """Counts what was spent and refuses what would pass a limit.

    Args:
        limits: The most that may be spent on calls, tokens and cost.
        price: Price per million tokens; `None` leaves the cost unknown.
        beside: The budget of another model: what either spends or reserves counts against the limits of both.

    Raises:
        SettingsError: If there is a limit on cost and no price to hold it against.
    """

    def __init__(
        self, limits: UsageLimits, price: Price | None = None, *, beside: "Budget | None" = None
    ) -> None:
        if limits.max_cost is not None and price is None:
            raise SettingsError(
                "A limit on cost needs the model's price, and none is configured.",
                hint="Set FIELDMARK_PRICE_PROMPT and FIELDMARK_PRICE_COMPLETION (FIELDMARK_VLM_PRICE_… for a "
                "vision-language model), per million tokens, or limit calls or tokens instead.",
                field="max_cost",
            )
        self._limits = limits
        self._price = price
        self._spent = TokenCount()
        self._reserved = TokenCount()
        self._calls = 0
        self._calls_open = 0
        self._unreported = 0
        self._purse = beside._purse if beside else _Purse()
        self._purse.budgets.append(self)

    @property
    def calls(self) -> int:
        """Calls made so far, those under way included."""
        return self._calls + self._calls_open

    @property
    def usage(self) -> Usage:
        """Tokens and cost of the calls that are over; `requests`, `cached` and `failed` are 0 here."""
        return Usage(
            prompt_tokens=self._spent.prompt,
            completion_tokens=self._spent.completion,
            unreported=self._unreported,
            cost=self.cost_of(self._spent),
        )

    def cost_of(self, tokens: TokenCount) -> float | None:
        """What tokens cost; `None` where the price is unknown."""
        return None if self._price is None else self._cost(tokens)

    async def reserve(self, estimate: TokenCount) -> Reservation:
        """Keeps room for a call that may use up to `estimate`.

        Where the limit would be passed only if every call under way used all of its own estimate, it waits
        for some of them to settle first.

        Raises:
            LimitReached: If the call would pass a limit whatever the calls under way turn out to use.
        """
        most = self._limits.max_calls
        while True:
            if most is not None and self._all_calls + 1 > most:
                raise self._reached(f"{most:,} calls", "calls")
            tokens, cost = self._all(under_way=False)
            tokens, cost = tokens + estimate.total, cost + self._cost(estimate)
            over = self._over(tokens, cost)
            if over is not None:
                raise self._reached(*over)
            open_tokens, open_cost = self._all(under_way=True)
            if self._over(tokens + open_tokens, cost + open_cost) is None:
                break
            await self._purse.changed.wait()
        self._reserved = _add(self._reserved, estimate)
        self._calls_open += 1
        return Reservation(self, estimate)

    @property
    def _all_calls(self) -> int:
        return sum(budget.calls for budget in self._purse.budgets)

    def _all(self, *, under_way: bool) -> tuple[int, float]:
        held = [(b, b._reserved if under_way else b._spent) for b in self._purse.budgets]
        return sum(tokens.total for _, tokens in held), sum(b._cost(tokens) for b, tokens in held)

    def _over(self, tokens: int, cost: float) -> tuple[str, str] | None:
        limits = self._limits
        if limits.max_tokens is not None and tokens > limits.max_tokens:
            return f"{limits.max_tokens:,} tokens", "tokens"
        if limits.max_cost is not None and cost > limits.max_cost:
            return f"a cost of {limits.max_cost:g}", "cost"
        return None

    def _reached(self, limit: str, what: str) -> LimitReached:
        tokens, spent = self._all(under_way=False)
        cost = "" if self._price is None else f", cost {spent:.4g}"
        return LimitReached(
            f"The next language-model call could pass the limit of {limit} "
            f"(so far: {self._all_calls:,} calls, {tokens:,} tokens{cost}).",
            hint=f"All answers so far are kept; raise the limit on {what} and resume.",
        )

    def _cost(self, tokens: TokenCount) -> float:
        if self._price is None:
            return 0.0
        return (tokens.prompt * self._price.prompt + tokens.completion * self._price.completion) / 1e6

    def _close(self, estimate: TokenCount, used: TokenCount | None, *, reported: bool) -> None:
        self._reserved = TokenCount(
            self._reserved.prompt - estimate.prompt, self._reserved.completion - estimate.completion
        )
        self._calls_open -= 1
        if used is not None:
            self._calls += 1
            self._spent = _add(self._spent, used)
            self._unreported += not reported
        changed, self._purse.changed = self._purse.changed, asyncio.Event()
        changed.set()


def _add(first: TokenCount, second: TokenCount) -> TokenCount:
    return TokenCount(first.prompt + second.prompt, first.completion + second.completion)
