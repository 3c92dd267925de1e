"""How many questions a second an endpoint answers, at an endpoint whose pace is known."""

import threading
import time
from collections.abc import Callable

import pytest

from fieldmark.errors import EndpointError
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.serving.throughput import Throughput, best, is_enough, measure_throughput
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, chat

QUESTIONS = [ask_marks(f"Which marks of {number}?", max_tokens=50) for number in range(200)]


def at(endpoint: FaultyEndpoint) -> Callable[[int], ChatModel]:
    return lambda at_once: chat(endpoint, concurrency=at_once, answer_retries=0)


async def test_more_and_more_are_asked_at_a_time_and_nothing_twice() -> None:
    most, under_way, lock = 0, 0, threading.Lock()

    def answer(_: Received) -> Reply:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return completion(GOOD, usage=(30, 7))

    with FaultyEndpoint([answer]) as endpoint:
        found = await measure_throughput(at(endpoint), QUESTIONS, at_once=(1, 4))
        asked = endpoint.asked
    assert [(each.at_once, each.answered, each.failed) for each in found] == [(1, 2, 0), (4, 8, 0)]
    assert asked == 1 + 2 + 8  # the first is not counted
    assert most == 4
    assert (found[1].prompt_tokens, found[1].answer_tokens) == (30 * 8, 7 * 8)
    assert found[0].median_s >= 0.05


async def test_failed_questions_are_counted_and_bring_no_answer() -> None:
    replies = [completion(GOOD), completion("no JSON"), completion(GOOD)]
    with FaultyEndpoint(replies) as endpoint:
        (found,) = await measure_throughput(at(endpoint), QUESTIONS, at_once=(1,))
    assert (found.answered, found.failed) == (1, 1)


async def test_its_time_is_bounded_and_what_was_answered_in_it_counts() -> None:
    never = completion(GOOD, delay_s=60)
    with FaultyEndpoint([never]) as endpoint:
        assert await measure_throughput(at(endpoint), QUESTIONS, most_s=0.1) == ()
    with FaultyEndpoint([completion(GOOD), completion(GOOD), never]) as endpoint:
        (first,) = await measure_throughput(at(endpoint), QUESTIONS, most_s=1.5)
    assert (first.at_once, first.answered, first.failed) == (1, 1, 0)


async def test_an_endpoint_that_takes_no_question_is_an_error() -> None:
    with FaultyEndpoint([error(401, "who are you?")]) as endpoint, pytest.raises(EndpointError):
        await measure_throughput(at(endpoint), QUESTIONS)


def level(at_once: int, answered: int) -> Throughput:
    return Throughput(
        at_once=at_once, answered=answered, failed=0, seconds=1, median_s=1, prompt_tokens=1, answer_tokens=1
    )


def test_it_ends_where_more_at_a_time_brings_little_and_the_best_is_the_least_that_is_as_good() -> None:
    found = [level(1, 10), level(4, 38), level(16, 40)]
    assert [is_enough(found[:count]) for count in (1, 2, 3)] == [False, False, True]
    assert best(found).at_once == 4
