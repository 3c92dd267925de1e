"""What a run would ask, told before it asks."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.resolve.context import MOST_PAIRS
from fieldmark.agents.resolve.estimate import estimated, first_look, most_follow_ups
from fieldmark.app.event_loop import run_to_end
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Price, UsageLimits
from fieldmark.tools.llm.budget import IMAGE_TOKENS
from fieldmark.tools.llm.chat import ChatModel
from tests.faulty_endpoint import FaultyEndpoint, completion
from tests.graph.running import make_context, options, run
from tests.graph.world import FakeModel, World

NAMES = ("finch", "heron", "gull")


@pytest.mark.parametrize(
    "chosen",
    [{"ask": "table"}, {"ask": "groups"}, {"ask": "pairs"}, {"ask": "table", "max_rounds": 0},
     {"ask": "pairs", "rule": "fudd", "candidates": "topk", "k": 4}, {"ask": "table", "start": "names"}],
)  # fmt: skip
def test_no_run_asks_more_than_was_foretold(tmp_path: Path, chosen: dict[str, Any]) -> None:
    world = World(splits=1)
    model = FakeModel(world)
    wanted = options(**({"tau": 0.001, "max_rounds": 4} | chosen))
    run(make_context(tmp_path, world, llm=model, options=wanted))
    followed = sum(question.prompt_id != "describe.v1" for question in model.asked)
    assert followed <= most_follow_ups(16, wanted, images=32)
    assert (followed > 0) == (wanted.max_rounds > 0)


def test_pairs_are_no_more_than_there_are() -> None:
    wanted = options(ask="pairs", candidates="topk", k=10)
    assert most_follow_ups(4, wanted, images=1000) == 6
    assert most_follow_ups(100, wanted, images=1) == 45


def test_what_a_large_pool_and_a_limit_change_is_said_beforehand() -> None:
    def told(count: int, limit: int | None) -> tuple[str, ...]:
        names = tuple(f"bird {number}" for number in range(100))
        wanted, limits = options(rule="evidence"), UsageLimits(max_calls=limit)
        return run_to_end(
            estimated(names, count, noun="bird", options=wanted, llm=None, vlm=None, limits=limits)
        ).notes

    assert told(1000, None) == ()
    large, limited = told(MOST_PAIRS // 100 + 1, 1200)
    assert "64 likeliest classes" in large
    assert "stops after 1,200 calls" in limited


@pytest.mark.parametrize("ask", ["table", "groups", "pairs"])
def test_follow_ups_are_priced_by_the_longest_of_them(ask: str) -> None:
    wanted = options(ask=ask, max_rounds=3)
    price = Price(prompt=1.0, completion=10.0)

    async def made(endpoint: FaultyEndpoint, names: tuple[str, ...], price: Price | None) -> Any:
        store, url = MemoryByteStore(), endpoint.base_url
        async with ChatModel(
            "m", base_url=url, api_key=None, store=store, identity="x", price=price
        ) as model:
            return await estimated(names, 1, noun="bird", options=wanted, llm=model, vlm=model)

    def of(names: tuple[str, ...], price: Price | None = price) -> Any:
        with FaultyEndpoint([completion("{}")]) as endpoint:
            found = run_to_end(made(endpoint, names, price))
            assert endpoint.asked == 0
            return found

    short, long = of(NAMES), of(tuple(name * 20 for name in NAMES))
    assert 0 < short.follow_up_tokens < long.follow_up_tokens
    assert short.follow_up_tokens >= 100 * short.follow_up_most
    assert short.follow_up_tokens < 1e6 * short.follow_up_cost < 10 * short.follow_up_tokens
    assert 0 < 1e6 * short.first_look.cost < 10 * short.first_look.tokens
    assert short.vlm_tokens > IMAGE_TOKENS and short.vlm_cost > 0
    unpriced = of(NAMES, None)
    assert unpriced.follow_up_tokens == short.follow_up_tokens
    assert unpriced.follow_up_cost is unpriced.first_look.cost is unpriced.vlm_cost is None


def chat(endpoint: FaultyEndpoint, store: MemoryByteStore) -> ChatModel:
    return ChatModel("test-model", base_url=endpoint.base_url, api_key=None, store=store, identity="same")


def test_the_first_look_counts_what_is_cached_apart_and_asks_nothing() -> None:
    store = MemoryByteStore()

    async def look(endpoint: FaultyEndpoint, noun: str | None, samples: int = 1) -> Any:
        async with chat(endpoint, store) as model:
            wanted = options(noun="object", descriptor_samples=samples)
            return await first_look(NAMES, noun=noun, options=wanted, llm=model), model.estimate(
                ask_describe("finch", noun="bird")
            )

    async def answer_some(endpoint: FaultyEndpoint) -> None:
        async with chat(endpoint, store) as model:
            await model.ask(ask_describe("finch", noun="bird"))

    async def answer_noun(endpoint: FaultyEndpoint) -> None:
        async with chat(endpoint, store) as model:
            await model.ask(ask_noun(NAMES))

    with FaultyEndpoint(
        [completion('{"descriptors": ["a red belly"]}'), completion('{"noun": "bird"}')]
    ) as endpoint:
        (counts, noun), one = run_to_end(look(endpoint, "bird"))
        assert (counts.questions, counts.cached, counts.to_ask, noun) == (3, 0, 3, "bird")
        assert counts.tokens == pytest.approx(3 * one, abs=6)
        assert endpoint.asked == 0
        run_to_end(answer_some(endpoint))
        (counts, noun), _ = run_to_end(look(endpoint, "bird", samples=2))
        assert (counts.questions, counts.cached, counts.to_ask, noun) == (6, 1, 5, "bird")
        (counts, noun), _ = run_to_end(look(endpoint, None))
        assert (counts.questions, counts.cached, counts.to_ask, noun) == (4, 0, 4, None)
        run_to_end(answer_noun(endpoint))
        (counts, noun), _ = run_to_end(look(endpoint, None))
        assert (counts.questions, counts.cached, counts.to_ask, noun) == (4, 2, 2, "bird")
        assert endpoint.asked == 2


def test_without_a_model_nothing_is_asked() -> None:
    counts, noun = run_to_end(first_look(NAMES, noun=None, options=options(), llm=None))
    assert (counts.questions, counts.to_ask, noun) == (0, 0, None)
