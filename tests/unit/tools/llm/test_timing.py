"""The clock around a language model."""

import asyncio
from typing import Any

import pytest

from fieldmark.errors import QuestionFailed
from fieldmark.prompts.describe import ask_describe
from fieldmark.tools.llm.timed import TimedModel
from tests.graph.world import FakeModel, World

QUESTION = ask_describe("finch", noun="bird")


class Slow(FakeModel):
    """Answers when it is told to."""

    model = "slow"

    def __init__(self) -> None:
        super().__init__(World())
        self.gate = asyncio.Event()

    async def ask(self, question: Any) -> Any:
        await self.gate.wait()
        return await super().ask(question)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [100.0]
    monkeypatch.setattr("fieldmark.tools.llm.timed.time.perf_counter", lambda: now[0])
    return now


async def test_questions_in_parallel_count_once_and_pauses_do_not(clock: list[float]) -> None:
    slow = Slow()
    timed = TimedModel(slow)  # pyright: ignore[reportArgumentType]
    first = asyncio.create_task(timed.ask(QUESTION))
    await asyncio.sleep(0)
    clock[0] += 2
    second = asyncio.create_task(timed.ask(QUESTION))
    await asyncio.sleep(0)
    clock[0] += 3
    assert timed.seconds == 0.0
    slow.gate.set()
    await asyncio.gather(first, second)
    assert timed.seconds == 5.0
    clock[0] += 50
    await timed.ask(QUESTION)
    assert timed.seconds == 5.0
    assert timed.model == "slow"


async def test_a_question_that_fails_stops_the_clock_too(clock: list[float]) -> None:
    def fault(question: Any) -> Exception:
        clock[0] += 4
        return QuestionFailed("no", reason="refused")

    timed = TimedModel(FakeModel(World(), fault=fault))  # pyright: ignore[reportArgumentType]
    for _ in range(2):
        with pytest.raises(QuestionFailed):
            await timed.ask(QUESTION)
    assert timed.seconds == 8.0
