"""Measures how many questions of ours an endpoint answers in a second, at growing numbers at a time."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fieldmark.errors import QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.chat import ChatModel

AT_ONCE = (1, 4, 16, 64)
"""Questions at a time, one after the other."""
ROUNDS = 2
"""Questions for each of those at a time."""
BETTER = 1.15
"""How many times the answers a second more questions at a time must bring, to go on."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What an endpoint did with so many questions at a time.

    Attributes:
        at_once: Questions at a time.
        answered: Questions with a usable answer.
        failed: Questions without one.
        seconds: Wall time of all of them.
        median_s: Median seconds from question to answer.
        prompt_tokens: Tokens of the questions.
        answer_tokens: Tokens of the answers, thinking included.
    """

    at_once: int
    answered: int
    failed: int
    seconds: float
    median_s: float
    prompt_tokens: int
    answer_tokens: int

    @property
    def answers_a_second(self) -> float:
        """Usable answers a second."""
        return self.answered / self.seconds


@dataclass
class _Level:
    """What came of one number at a time, as far as it got."""

    at_once: int
    took: list[float] = field(default_factory=list[float])
    failed: int = 0


async def measure_throughput(
    open_model: Callable[[int], ChatModel],
    questions: Sequence[Question[Any]],
    *,
    at_once: Sequence[int] = AT_ONCE,
    most_s: float = 60.0,
) -> tuple[Throughput, ...]:
    """Asks questions, first one at a time and then more, as long as that brings more answers a second.

    Args:
        open_model: Opens the model for so many calls at a time, with a cache that holds nothing.
        questions: Distinct questions. Each is asked once, so that no server answers one from its memory; the
            first one is not counted, and where they are used up, it ends.
        at_once: Numbers at a time to try.
        most_s: Seconds after which it stops. Of a number at a time that was not finished nothing is said,
            unless it is the first one and some of its questions were answered.

    Returns:
        One record a number at a time; none where not one question was answered in time.

    Raises:
        EndpointError: The endpoint answers no question.
    """
    until = time.monotonic() + most_s
    left = iter(questions)
    found: list[Throughput] = []
    await _measure(
        open_model, tuple(islice(left, 1)), 1, until
    )  # a server reads the schema with the first one
    for number in at_once:
        asked = tuple(islice(left, number * ROUNDS))
        if len(asked) < number:
            break
        measured, whole = await _measure(open_model, asked, number, until)
        if measured is None or (found and not whole):
            break
        found.append(measured)
        if not whole or is_enough(found):
            break
    return tuple(found)


def is_enough(found: Sequence[Throughput]) -> bool:
    """Whether the last step to more at a time brought too little to take another."""
    return len(found) > 1 and found[-1].answers_a_second <= BETTER * found[-2].answers_a_second


def best(found: Sequence[Throughput]) -> Throughput:
    """The least questions at a time that bring nearly the most answers a second."""
    most = max(each.answers_a_second for each in found)
    return next(each for each in found if each.answers_a_second * BETTER >= most)


async def _measure(
    open_model: Callable[[int], ChatModel], questions: Sequence[Question[Any]], number: int, until: float
) -> tuple[Throughput | None, bool]:
    """Asks so many at a time; also says whether all were asked before the end of the time."""
    level = _Level(number)
    started = time.monotonic()
    whole = True
    async with open_model(number) as model:
        try:
            async with asyncio.timeout(until - started):
                await _all_at(model, iter(questions), level)
        except TimeoutError:
            whole = False
        usage = model.usage
    if not level.took:
        return None, whole
    made = Throughput(
        at_once=number,
        answered=len(level.took),
        failed=level.failed,
        seconds=time.monotonic() - started,
        median_s=statistics.median(level.took),
        prompt_tokens=usage.prompt_tokens,
        answer_tokens=usage.completion_tokens,
    )
    return made, whole


async def _all_at(model: ChatModel, questions: Iterator[Question[Any]], level: _Level) -> None:
    async def one_after_the_other() -> None:
        for question in questions:  # shared: whoever is free takes the next
            begun = time.monotonic()
            try:
                await model.ask(question)
            except QuestionFailed:
                level.failed += 1
            else:
                level.took.append(time.monotonic() - begun)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(level.at_once):
                workers.create_task(one_after_the_other())
    except BaseExceptionGroup as group:  # each of them says the same
        raise group.exceptions[0] from None
