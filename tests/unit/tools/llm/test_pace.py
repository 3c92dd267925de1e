"""The pace of calls, on a clock of its own: workers share one quota, and what a server sustains is found."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import pytest

from fieldmark.tools.llm.completion import HttpStatusError
from fieldmark.tools.llm.pace import MOST_AUTO, Concurrency, Pace, _seconds
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, chat


class _Clock(asyncio.SelectorEventLoop):
    """A loop whose time goes on by itself: waiting takes none."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def at_once(timeout: float | None) -> Any:
            self._now += timeout or 0.0
            return select(0)

        self._selector.select = at_once  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now


def in_its_own_time(work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """Seconds that it takes by the clock of its own."""
    random.seed(7)
    with asyncio.Runner(loop_factory=_Clock) as runner:
        runner.run(work())
        return runner.get_loop().time()


class Quota:
    """An endpoint with so many requests and tokens a minute, and some stored at the beginning."""

    def __init__(self, *, requests: int, tokens: int = 10**9, headers: bool = True, latency_s: float = 1.0):
        self.most = {"requests": float(requests), "tokens": float(tokens)}
        self.left = dict.fromkeys(self.most, 0.0)
        self.headers, self.latency_s = headers, latency_s
        self.at = 0.0
        self.answered = self.refused = 0

    async def call(self, tokens: int = 1) -> tuple[int, Mapping[str, str]]:
        now = asyncio.get_running_loop().time()
        self.left = {
            name: min(most / 6, self.left[name] + (now - self.at) * most / 60)
            for name, most in self.most.items()
        }
        self.at = now
        needs = {"requests": 1.0, "tokens": float(tokens)}
        lacking = max((needs[name] - self.left[name]) / (self.most[name] / 60) for name in needs)
        if lacking > 0:
            self.refused += 1
            raise HttpStatusError(429, "slow down", wait_s=lacking, headers=self._said())
        self.left = {name: self.left[name] - needs[name] for name in needs}
        said = self._said()
        await asyncio.sleep(self.latency_s)
        self.answered += 1
        return tokens, said

    def _said(self) -> dict[str, str]:
        if not self.headers:
            return {}
        return {
            f"x-ratelimit-{what}-{name}": str(value)
            for name, most in self.most.items()
            for what, value in (
                ("limit", int(most)),
                ("remaining", int(self.left[name])),
                ("reset", f"{int((most / 6 - self.left[name]) * 60_000 / most)}ms"),
            )
        }


async def ask_all(pace: Pace, call: Callable[[], Awaitable[Any]], count: int, tokens: int = 1) -> None:
    async def one() -> None:
        async with pace:
            await pace.through(call, tokens=tokens, retries=2)

    await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("headers", [True, False])
def test_sixteen_workers_share_one_quota(headers: bool) -> None:
    quota = Quota(requests=600, headers=headers)

    async def work() -> None:
        await asyncio.gather(*(ask_all(Pace(16), quota.call, 100) for _ in range(16)))

    seconds = in_its_own_time(work)
    assert quota.answered == 1600, "none was given up"
    assert seconds < 1.25 * 160
    assert quota.refused < 3 * 1600


def test_one_worker_is_hardly_refused_where_the_headers_say_what_is_left() -> None:
    quota = Quota(requests=10_000, tokens=60_000)

    async def work() -> None:
        await ask_all(Pace(16), lambda: quota.call(500), 200, tokens=500)

    seconds = in_its_own_time(work)
    assert quota.answered == 200
    assert seconds < 1.5 * 200 * 500 / 1000
    assert quota.refused < 20


def test_a_quota_that_never_opens_gives_up_soon() -> None:
    async def shut() -> Any:
        raise HttpStatusError(429, "slow down")

    async def work() -> None:
        pace = Pace(4)
        with pytest.raises(HttpStatusError):
            await ask_all(pace, shut, 4)
        assert pace.window == 1

    assert in_its_own_time(work) < 120


@pytest.mark.parametrize("sustained", [1, 8, 30, 500])
def test_auto_finds_what_a_server_sustains(sustained: int) -> None:
    async def work() -> None:
        pace, slots = Pace("auto"), asyncio.Semaphore(sustained)

        async def call() -> Any:
            async with slots:
                await asyncio.sleep(1.0)
            return 1, {}

        await ask_all(pace, call, 2000)
        assert min(sustained, MOST_AUTO) / 2 <= pace.window <= max(2, 2 * sustained)

    assert in_its_own_time(work) <= 2.5 * 2000 / min(sustained, MOST_AUTO)


@pytest.mark.parametrize(
    ("said", "seconds"), [("1s", 1), ("6m0s", 60), ("120ms", 0.12), ("30", 30), ("", None), ("soon", None)]
)
def test_spans_are_read(said: str, seconds: float | None) -> None:
    assert _seconds(said) == seconds


def test_a_slot_that_is_given_up_goes_to_the_next() -> None:
    async def work() -> None:
        pace: Pace = Pace(1)
        async with pace:
            first, second = (asyncio.ensure_future(pace.__aenter__()) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
        await asyncio.wait_for(second, 5)

    in_its_own_time(work)


@pytest.mark.parametrize("concurrency", [16, "auto"])
async def test_questions_outlast_many_refusals_while_others_get_through(concurrency: Concurrency) -> None:
    arrived = 0

    def every_third(request: Received) -> Reply:
        nonlocal arrived
        arrived += 1
        return completion(GOOD) if arrived % 3 == 0 else error(429, headers={"retry-after-ms": "1"})

    with FaultyEndpoint([every_third]) as endpoint:
        async with chat(endpoint, concurrency=concurrency, max_retries=3) as model:
            await asyncio.gather(*(model.ask(ask_marks(f"number {n}")) for n in range(8)))
    assert (model.usage.requests, model.usage.failed) == (8, 0)
    assert model.usage.http_tries == endpoint.asked == 24


async def test_calls_take_turns_in_the_order_they_came() -> None:
    """Two that end at once wake one waiting call each, and nobody goes back to the end of the queue."""
    pace, begun = Pace(2), list[int]()

    async def one(number: int) -> None:
        async with pace:
            begun.append(number)
            await pace.through(lambda: answered(), tokens=0, retries=0)

    async def answered() -> tuple[None, dict[str, str]]:
        await asyncio.sleep(0)
        return None, {}

    await asyncio.gather(*map(one, range(8)))
    assert begun == list(range(8))


async def test_a_call_that_is_given_up_leaves_its_slot() -> None:
    pace = Pace(1)

    async def hold() -> None:
        async with pace:
            await asyncio.sleep(0)

    async with pace:
        waiting = [asyncio.create_task(hold()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # its turn had come
    await asyncio.wait_for(waiting[2], 5)
    async with asyncio.timeout(5), pace:
        pass
