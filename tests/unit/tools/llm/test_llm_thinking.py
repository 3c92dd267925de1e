"""Models that think before they answer: the room they get, how much they think, and what is taken."""

import asyncio
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import LimitReached, QuestionFailed
from fieldmark.records import UsageLimits
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, chat


def thinker(tokens: int, **options: Any) -> Any:
    """Answers once it has that many tokens to think."""

    def answer(request: Received) -> Reply:
        room = request.body.get("max_tokens") or request.body["max_completion_tokens"]
        if room < tokens:
            return completion(None, finish_reason="length", thoughts="Well,", usage=(10, room))
        return completion(GOOD, thoughts="Well, crimson.", usage=(10, tokens), **options)

    return answer


async def test_a_model_that_thinks_gets_room_once_for_all() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([thinker(1500)]) as endpoint:
        async with chat(endpoint, store, identity="same") as model:
            before = model.estimate(ask_marks(max_tokens=200))
            first = await model.ask(ask_marks("one", max_tokens=200))
            await model.ask(ask_marks("two", max_tokens=500))
            assert model.estimate(ask_marks(max_tokens=200)) - before == 7 * 200
        rooms = [request.body["max_tokens"] for request in endpoint.chats]
    assert rooms == [200, 1600, 4000]
    assert (model.usage.widened, model.usage.http_tries, model.faults) == (1, 3, {"truncated": 1})
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store, identity="same") as model:
            again = await model.ask(ask_marks("one", max_tokens=200))
    assert (again.key, again.cached) == (first.key, True)


async def test_an_answer_that_is_cut_off_with_more_room_has_failed() -> None:
    with FaultyEndpoint([completion("and on", finish_reason="length")]) as endpoint:
        async with chat(endpoint) as model:
            with pytest.raises(QuestionFailed, match="in 2 tries") as caught:
                await model.ask(ask_marks(max_tokens=100))
        assert [request.body["max_tokens"] for request in endpoint.chats] == [100, 800]
    assert caught.value.reason == "truncated"
    assert "FIELDMARK_ANSWER_TOKENS" in caught.value.hint and "FIELDMARK_EFFORT" in caught.value.hint


async def test_room_that_was_given_is_the_least() -> None:
    with FaultyEndpoint([thinker(1500)]) as endpoint:
        async with chat(endpoint, answer_tokens=2000) as model:
            assert model.estimate(ask_marks(max_tokens=200)) >= 2000
            await model.ask(ask_marks("one", max_tokens=200))
            await model.ask(ask_marks("two", max_tokens=3000))
        assert [request.body["max_tokens"] for request in endpoint.chats] == [2000, 3000]


async def test_limits_know_the_room() -> None:
    with FaultyEndpoint([thinker(1500)]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_tokens=1000)) as model:
            with pytest.raises(LimitReached):
                await model.ask(ask_marks(max_tokens=200))
        assert endpoint.asked == 1


async def test_more_room_than_the_endpoint_has_is_halved() -> None:
    inner = thinker(700)

    def answer(request: Received) -> Reply:
        if request.body["max_tokens"] > 900:
            return error(400, "This model's maximum context length is 1024 tokens")
        return inner(request)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("one", max_tokens=200))
            await model.ask(ask_marks("two", max_tokens=200))
        assert [request.body["max_tokens"] for request in endpoint.chats] == [200, 1600, 800, 800]
    assert model.calls == 3


async def test_many_questions_at_once_all_get_their_room() -> None:
    with FaultyEndpoint([thinker(1500)], latency_s=0.02) as endpoint:
        async with chat(endpoint, concurrency=8) as model:
            await asyncio.gather(*(model.ask(ask_marks(str(n), max_tokens=200)) for n in range(16)))
            assert endpoint.asked <= 24
            await model.ask(ask_marks("one more", max_tokens=200))
        assert endpoint.chats[-1].body["max_tokens"] == 1600
    assert model.usage.failed == 0


async def test_effort_is_sent_where_it_is_understood() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store, effort="low", identity="same") as model:
            await model.ask(ask_marks())
        assert endpoint.chats[0].body["reasoning_effort"] == "low"
        async with chat(endpoint, store, identity="same") as model:
            assert (await model.ask(ask_marks())).cached  # how long it thought is no part of the question
            await model.ask(ask_marks("other"))
        assert "reasoning_effort" not in endpoint.chats[-1].body


@pytest.mark.parametrize(
    "message", ["Unrecognized request argument supplied: reasoning_effort", "thinking is not for me", "No."]
)
async def test_effort_is_dropped_where_it_is_refused(message: str) -> None:
    def answer(request: Received) -> Reply:
        return error(400, message) if "reasoning_effort" in request.body else completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint, effort="high") as model:
            await model.ask(ask_marks("one"))
            await model.ask(ask_marks("two"))
        assert endpoint.asked == 3
    assert model.response_format == "json_schema"


async def test_an_answer_among_the_thinking_is_named_and_not_taken() -> None:
    with FaultyEndpoint([completion(None, thoughts=GOOD)]) as endpoint:
        async with chat(endpoint, answer_retries=0) as model:
            with pytest.raises(QuestionFailed, match="stands in reasoning_content alone") as caught:
                await model.ask(ask_marks())
    assert "reasoning parser" in caught.value.hint
