"""The budget's arithmetic: reservations, settlements, releases, waiting."""

import asyncio

import pytest

from fieldmark.errors import LimitReached
from fieldmark.records import Price, UsageLimits
from fieldmark.tools.llm.budget import Budget, TokenCount, tokens_of


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("é", 1), ("🐦", 2)]
)
def test_tokens_are_bytes_over_three_rounded_up(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens


async def test_a_settled_call_counts_its_use() -> None:
    budget = Budget(UsageLimits(), Price(prompt=1.0, completion=2.0))
    with await budget.reserve(TokenCount(100, 100)) as reservation:
        assert budget.calls == 1
        assert budget.usage.prompt_tokens == 0
        reservation.settle(TokenCount(10, 20), reported=True)
    assert (budget.calls, budget.usage.prompt_tokens, budget.usage.completion_tokens) == (1, 10, 20)
    assert budget.usage.unreported == 0
    assert budget.usage.cost == pytest.approx(50e-6)


async def test_a_call_that_ends_without_a_word_costs_its_estimate() -> None:
    budget = Budget(UsageLimits())
    with pytest.raises(KeyError), await budget.reserve(TokenCount(7, 8)):
        raise KeyError
    assert (budget.calls, budget.usage.prompt_tokens, budget.usage.completion_tokens) == (1, 7, 8)
    assert budget.usage.unreported == 1


async def test_a_released_call_costs_nothing() -> None:
    budget = Budget(UsageLimits(max_calls=1))
    with await budget.reserve(TokenCount(7, 8)) as reservation:
        reservation.release()
    assert (budget.calls, budget.usage.prompt_tokens, budget.usage.unreported) == (0, 0, 0)
    await budget.reserve(TokenCount(7, 8))
    with pytest.raises(LimitReached):
        await budget.reserve(TokenCount(7, 8))


async def test_settling_twice_counts_once() -> None:
    budget = Budget(UsageLimits())
    reservation = await budget.reserve(TokenCount(5, 5))
    for _ in range(2):
        reservation.settle(TokenCount(1, 1), reported=True)
        reservation.release()
    assert (budget.calls, budget.usage.prompt_tokens) == (1, 1)


async def test_a_waiting_reservation_stops_once_it_cannot_fit() -> None:
    budget = Budget(UsageLimits(max_tokens=100))
    first = await budget.reserve(TokenCount(0, 60))
    second = asyncio.create_task(budget.reserve(TokenCount(0, 60)))
    await asyncio.sleep(0)
    assert not second.done()
    first.settle(TokenCount(0, 50), reported=True)
    with pytest.raises(LimitReached):
        await second


async def test_a_waiting_reservation_that_is_cancelled_holds_nothing() -> None:
    budget = Budget(UsageLimits(max_tokens=100))
    first = await budget.reserve(TokenCount(0, 60))
    second = asyncio.create_task(budget.reserve(TokenCount(0, 60)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    first.settle(TokenCount(0, 40), reported=True)
    assert budget.calls == 1
    await asyncio.wait_for(budget.reserve(TokenCount(0, 60)), 1)


async def test_a_limit_can_be_reached_exactly() -> None:
    budget = Budget(UsageLimits(max_tokens=100, max_calls=2))
    for _ in range(2):
        (await budget.reserve(TokenCount(25, 25))).settle(TokenCount(25, 25), reported=True)
    assert budget.usage.prompt_tokens + budget.usage.completion_tokens == 100


def test_an_unknown_price_is_not_zero() -> None:
    assert Budget(UsageLimits()).usage.cost is None
    assert Budget(UsageLimits(), Price(prompt=1, completion=1)).usage.cost == 0.0


async def test_two_budgets_share_the_limits_of_one() -> None:
    price = Price(prompt=1e6, completion=1e6)  # one unit a token
    first = Budget(UsageLimits(), price)
    (await first.reserve(TokenCount(5, 5))).settle(TokenCount(6, 2), reported=True)
    for limits in (UsageLimits(max_calls=1), UsageLimits(max_tokens=10), UsageLimits(max_cost=10.0)):
        beside = Budget(limits, price, beside=first)
        with pytest.raises(LimitReached, match="so far: 1 calls, 8 tokens"):
            await beside.reserve(TokenCount(3, 0))
        assert (beside.calls, beside.usage.prompt_tokens) == (0, 0)
    (
        await Budget(UsageLimits(max_calls=2, max_tokens=11), price, beside=first).reserve(TokenCount(3, 0))
    ).release()


async def test_what_is_spent_beside_a_budget_counts_against_its_own_limits() -> None:
    first = Budget(UsageLimits(max_calls=2))
    beside = Budget(UsageLimits(max_calls=2), beside=first)
    (await beside.reserve(TokenCount(1, 1))).settle(TokenCount(1, 1), reported=True)
    open_one = await first.reserve(TokenCount(1, 1))
    for budget in (first, beside):
        with pytest.raises(LimitReached, match="so far: 2 calls"):
            await budget.reserve(TokenCount(1, 1))
    open_one.release()
    (await beside.reserve(TokenCount(1, 1))).release()
    assert (first.calls, beside.calls) == (0, 1)


async def test_a_call_waits_for_those_under_way_beside_it() -> None:
    first = Budget(UsageLimits(max_tokens=100))
    beside = Budget(UsageLimits(max_tokens=100), beside=first)
    under_way = await first.reserve(TokenCount(30, 30))
    waiting = asyncio.create_task(beside.reserve(TokenCount(30, 30)))
    await asyncio.sleep(0)
    assert not waiting.done()
    under_way.settle(TokenCount(10, 10), reported=True)
    (await asyncio.wait_for(waiting, 5)).settle(TokenCount(30, 30), reported=True)
    with pytest.raises(LimitReached, match="so far: 2 calls, 80 tokens"):
        await first.reserve(TokenCount(20, 1))
