"""UsageLimits on calls, tokens and cost: reserved before, settled after, never passed."""

import asyncio

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import LimitReached, SettingsError
from fieldmark.records import Price, UsageLimits
from tests.faulty_endpoint import FaultyEndpoint, completion
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, chat


async def test_calls_are_limited_also_at_once() -> None:
    with FaultyEndpoint([completion(GOOD)], latency_s=0.05) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=5)) as model:
            results = await asyncio.gather(
                *(model.ask(ask_marks(f"number {n}")) for n in range(9)), return_exceptions=True
            )
        assert endpoint.asked == 5
    reached = [result for result in results if isinstance(result, LimitReached)]
    assert len(reached) == 4
    assert "5 calls" in reached[0].message
    assert "resume" in reached[0].hint
    assert reached[0].exit_code == 3
    assert (model.usage.requests, model.usage.failed) == (5, 0)


async def test_no_call_means_none() -> None:
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=0)) as model:
            with pytest.raises(LimitReached):
                await model.ask(ask_marks())
        assert endpoint.asked == 0


async def test_cached_answers_are_free_beyond_the_limit() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store) as model:
            await model.ask(ask_marks())
        async with chat(endpoint, store, limits=UsageLimits(max_calls=0, max_tokens=0)) as model:
            assert (await model.ask(ask_marks())).cached


async def test_asking_again_counts_as_a_call() -> None:
    with FaultyEndpoint([completion("")]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=2), answer_retries=5) as model:
            with pytest.raises(LimitReached):
                await model.ask(ask_marks())
        assert endpoint.asked == 2


async def test_tokens_are_reserved_before_and_settled_after() -> None:
    # One call is taken to need 9 + 100 tokens and reports 15: 6 calls leave 200 - 90 = 110, a 7th leaves 95.
    with FaultyEndpoint([completion(GOOD, usage=(10, 5))]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_tokens=200)) as model:
            assert model.estimate(ask_marks(max_tokens=100)) == 9 + 100
            with pytest.raises(LimitReached, match="200 tokens"):
                for n in range(20):
                    await model.ask(ask_marks(f"number {n:04}", max_tokens=100))
        assert endpoint.asked == 7
    assert model.usage.prompt_tokens + model.usage.completion_tokens == 105


async def test_reservations_at_once_wait_instead_of_stopping_early() -> None:
    # Each reserves 109 of 300 and uses 15: at most two run together, and yet all ten are answered.
    with FaultyEndpoint([completion(GOOD, usage=(10, 5))], latency_s=0.02) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_tokens=300)) as model:
            await asyncio.gather(*(model.ask(ask_marks(f"number {n:04}", max_tokens=100)) for n in range(10)))
        assert endpoint.most_at_once == 2
        assert endpoint.asked == 10


async def test_the_limit_is_not_passed_at_once_either() -> None:
    with FaultyEndpoint([completion(GOOD, usage=(9, 100))], latency_s=0.02) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_tokens=500)) as model:
            await asyncio.gather(
                *(model.ask(ask_marks(f"number {n:04}", max_tokens=100)) for n in range(10)),
                return_exceptions=True,
            )
        assert endpoint.asked == 4  # 4 × 109 = 436, a fifth could reach 545
    assert model.usage.prompt_tokens + model.usage.completion_tokens == 436


async def test_cost_is_limited() -> None:
    price = Price(prompt=0.0, completion=1_000.0)  # 0.001 a token
    with FaultyEndpoint([completion(GOOD, usage=(10, 100))]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_cost=0.35), price=price) as model:
            with pytest.raises(LimitReached, match=r"cost of 0\.35"):
                for n in range(20):
                    await model.ask(ask_marks(f"number {n}", max_tokens=100))
        assert endpoint.asked == 3
    assert model.usage.cost == pytest.approx(0.3)


def test_a_limit_on_cost_needs_a_price() -> None:
    with pytest.raises(SettingsError, match="price"):
        chat("http://127.0.0.1:9/v1", limits=UsageLimits(max_cost=1.0))
