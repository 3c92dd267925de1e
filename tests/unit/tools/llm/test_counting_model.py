"""What counts as a question asked anew, and the clock around a language model."""

import asyncio
import contextlib
from typing import Any

import pytest
from pydantic import BaseModel

from fieldmark.errors import EndpointError, QuestionFailed
from fieldmark.prompts.describe import ask_describe
from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.answer_store import ModelAnswer
from fieldmark.tools.llm.counting import CountingModel
from tests.graph.world import FakeModel, World

QUESTION = ask_describe("finch", noun="bird")


class Word(BaseModel):
    text: str


class Scripted:
    """Answers with what is next in line; an error is raised."""

    def __init__(self, *line: Exception | bool) -> None:
        self.line = list(line)

    async def ask(self, question: Question[Any]) -> ModelAnswer[Any]:
        following = self.line.pop(0)
        if isinstance(following, Exception):
            raise following
        return ModelAnswer(
            value=Word(text="yes"), key="k", cached=following, prompt_tokens=1, completion_tokens=1
        )


async def test_fresh_and_failed_questions_count_and_cached_and_unsent_ones_do_not() -> None:
    failed, down = QuestionFailed("no", reason="refused"), EndpointError("down")
    model = CountingModel(Scripted(False, True, failed, down, False))
    question = Question(
        prompt_id="word.v1", messages=(ChatMessage(role="user", content="Say yes."),), answer_model=Word
    )
    counts: list[int] = []
    for _ in range(5):
        with contextlib.suppress(QuestionFailed, EndpointError):
            await model.ask(question)
        counts.append(model.calls)
    assert counts == [1, 1, 2, 2, 3]
    assert model.failed == 1


class Slow(FakeModel):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(World())
        self.model = "slow"
        self.gate = asyncio.Event()

    async def ask(self, question: Any) -> Any:
        await self.gate.wait()
        return await super().ask(question)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [100.0]
    monkeypatch.setattr("fieldmark.tools.llm.counting.time.perf_counter", lambda: now[0])
    return now


async def test_questions_in_parallel_count_once_and_pauses_do_not(clock: list[float]) -> None:
    slow = Slow()
    timed = CountingModel(slow)
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

    timed = CountingModel(FakeModel(World(), fault=fault))
    for _ in range(2):
        with pytest.raises(QuestionFailed):
            await timed.ask(QUESTION)
    assert timed.seconds == 8.0
