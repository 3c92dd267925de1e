"""Lets calls through at the rate that an endpoint takes, learnt from its refusals and its rate headers.

Additive increase and multiplicative decrease: Chiu and Jain, "Analysis of the increase and decrease
algorithms for congestion avoidance" (1989). Workers that know nothing of each other so share one quota.
"""

import asyncio
import logging
import random
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeVar

from fieldmark.tools.llm.completion import HttpStatusError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Concurrency = int | Literal["auto"]
MOST_AUTO = 128
"""The most calls at a time that are tried where the number is to be found."""
_FIRST_AUTO, _BETTER = 2, 1.15
"""Where finding begins, and by how much twice the calls must bring more answers a second to go on."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""The pause after a refusal that names none, and the longest that chance and repetition make of any."""
_PATIENCE = 32
_UNLUCKY = 2
"""A call may be refused so many times as often while others get through."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass
class _Quota:
    """What an endpoint said is left of a quota, and how fast it fills."""

    left: float
    most: float
    full_s: float
    at: float

    def wait(self, need: float, now: float) -> float:
        """Seconds until so much is there."""
        lacking = min(need, self.most) - self._now(now)
        speed = self.most / 60.0  # quotas are for a minute
        return 0.0 if lacking <= 0 else min(lacking / speed, max(0.0, self.at + self.full_s - now))

    def take(self, need: float, now: float) -> None:
        """So much is used."""
        self.left, self.at, self.full_s = self._now(now) - need, now, max(0.0, self.at + self.full_s - now)

    def _now(self, now: float) -> float:
        if now >= self.at + self.full_s:
            return self.most
        return min(self.most, self.left + (now - self.at) * self.most / 60.0)


class Pace:
    """How many calls are under way, and when the next may begin.

    As a context manager it is a slot: it waits until fewer calls are under way than the endpoint takes.

    Args:
        concurrency: The most calls at a time; "auto" finds what brings the most answers a second.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self.most = MOST_AUTO if concurrency == "auto" else concurrency
        self._window = float(_FIRST_AUTO if concurrency == "auto" else concurrency)
        self._finding: _Finding | None = _Finding() if concurrency == "auto" else None
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun = 0
        self._cut_at = 0
        self._refused_in_a_row = 0
        self._until = 0.0
        self._quotas: dict[str, _Quota] = {}
        self._open: dict[int, int] = {}

    @property
    def window(self) -> int:
        """The calls at a time that the endpoint takes, as far as is known."""
        return max(1, int(self._window))

    async def __aenter__(self) -> Self:
        if self._under_way < self.window and not self._waiting:
            self._under_way += 1
            return self
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn  # whoever ends the wait has counted this call
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # whoever is next must not sleep on a turn not taken
                await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._under_way -= 1
        self._wake()

    async def through(
        self, call: Callable[[], Awaitable[tuple[T, Mapping[str, str]]]], *, tokens: int, retries: int
    ) -> T:
        """Makes a call when its turn has come, and again where the endpoint has taken too many (HTTP 429).

        Args:
            call: Makes it; gives its result and the headers of the response.
            tokens: What it may use.
            retries: How often it is made again while no other call gets through either; `_PATIENCE` times as
                often where each refusal says when to come again.

        Raises:
            HttpStatusError: It is refused for another reason, or too often.
        """
        made = 0
        while True:
            made += 1
            number = await self._turn(tokens)
            try:
                result, headers = await call()
            except HttpStatusError as refused:
                if refused.status != 429 or "insufficient_quota" in refused.complaint:
                    raise
                self._refused(number, refused)
                # One that says when to come again has a quota that fills, though others may be quicker.
                patient = retries * _PATIENCE
                most = retries if refused.wait_s is None else patient
                if self._refused_in_a_row > most or made > _UNLUCKY * patient:
                    raise
            else:
                self._took(number, headers)
                return result
            finally:
                self._open.pop(number, None)

    async def _turn(self, tokens: int) -> int:
        now = asyncio.get_running_loop().time
        while True:
            needs = {"requests": 1.0, "tokens": float(tokens)}
            waits = [quota.wait(needs[name], now()) for name, quota in self._quotas.items()]
            wait = max(self._until - now(), *waits, 0.0)
            if wait <= 1e-6:
                break
            await asyncio.sleep(wait * (1.0 + random.random()))  # others wait for the same moment
        for name, quota in self._quotas.items():
            quota.take(needs[name], now())
        self._begun += 1
        self._open[self._begun] = tokens
        return self._begun

    def _took(self, number: int, headers: Mapping[str, str]) -> None:
        now = asyncio.get_running_loop().time()
        self._refused_in_a_row = 0
        self._read(number, headers, now)
        if self._finding is not None:
            self._window, over = self._finding.answered(self._window, now)
            if over:
                self._finding = None
                self.most = self.window
                logger.info("%d calls at a time bring the most answers a second.", self.window)
        else:
            self._window = min(float(self.most), self._window + 1.0 / self._window)
        self._wake()

    def _refused(self, number: int, refused: HttpStatusError) -> None:
        now = asyncio.get_running_loop().time()
        self._finding = None
        if number > self._cut_at:  # of calls that were under way together, the first tells of all
            self._refused_in_a_row += 1
            self._window = max(1.0, self._window / 2.0)
            self._cut_at = self._begun
        self._read(number, refused.headers, now)
        pause = _PAUSE_S if refused.wait_s is None else refused.wait_s
        # Longer by chance: workers that were refused together must not come together again.
        more = pause * (2.0 ** min(self._refused_in_a_row, 6) - 1.0) * random.random()
        self._until = max(self._until, now + max(pause, min(pause + more, _LONGEST_PAUSE_S)))

    def _read(self, number: int, headers: Mapping[str, str], now: float) -> None:
        """Note what is left of each quota; calls that began since may not be counted in it."""
        later = [tokens for begun, tokens in self._open.items() if begun > number]
        for name, used in (("requests", float(len(later))), ("tokens", float(sum(later)))):
            most, left = (
                _number(headers.get(f"x-ratelimit-{what}-{name}")) for what in ("limit", "remaining")
            )
            full_s = _seconds(headers.get(f"x-ratelimit-reset-{name}"))
            if most and left is not None and full_s is not None:
                self._quotas[name] = _Quota(left - used, most, full_s, now)

    def _wake(self) -> None:
        while self._waiting and self._under_way < self.window:
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)


class _Finding:
    """Doubles the calls at a time as long as that brings more answers a second."""

    def __init__(self) -> None:
        self._answers = 0
        self._since: float | None = None
        self._best = 0.0

    def answered(self, window: float, now: float) -> tuple[float, bool]:
        """One more answer came; gives the calls at a time from now on, and whether that is all."""
        if self._since is None:  # the first answers belong to calls that began before
            self._since, self._answers = now, -int(window)
        self._answers += 1
        if self._answers == 0:
            self._since = now
        if self._answers < max(8, 2 * window):
            return window, False
        speed = self._answers / max(1e-9, now - self._since)
        better, self._best = speed >= _BETTER * self._best, max(speed, self._best)
        self._since = None
        if not better:
            return window / 2, True
        return min(2 * window, float(MOST_AUTO)), 2 * window > MOST_AUTO


def _number(said: str | None) -> float | None:
    try:
        value = float(said or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


def _seconds(said: str | None) -> float | None:
    """A span such as "1s", "6m0s", "120ms" or "30" in seconds, at most a minute: quotas are for a minute."""
    text = (said or "").strip()
    plain = _number(text)
    parts = _SPAN.findall(text)
    if plain is None and (not parts or _SPAN.sub("", text)):
        return None
    span = plain if plain is not None else sum(float(number) * _UNITS[unit] for number, unit in parts)
    return min(span, 60.0)
