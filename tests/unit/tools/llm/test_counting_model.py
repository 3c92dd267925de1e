"""What counts as a question asked anew."""

import contextlib
from typing import Any

from pydantic import BaseModel

from fieldmark.errors import EndpointError, QuestionFailed
from fieldmark.records import Message, Question
from fieldmark.tools.llm.answer_store import Answer
from fieldmark.tools.llm.counting import CountingModel


class Word(BaseModel):
    text: str


class Scripted:
    """Answers with what is next in line; an error is raised."""

    def __init__(self, *line: Exception | bool) -> None:
        self.line = list(line)

    async def ask(self, question: Question[Any]) -> Answer[Any]:
        following = self.line.pop(0)
        if isinstance(following, Exception):
            raise following
        return Answer(value=Word(text="yes"), key="k", cached=following, prompt_tokens=1, completion_tokens=1)


async def test_fresh_and_failed_questions_count_and_cached_and_unsent_ones_do_not() -> None:
    failed, down = QuestionFailed("no", reason="refused"), EndpointError("down")
    model = CountingModel(Scripted(False, True, failed, down, False))
    question = Question(
        prompt_id="word.v1", messages=(Message(role="user", content="Say yes."),), answer_model=Word
    )
    counts: list[int] = []
    for _ in range(5):
        with contextlib.suppress(QuestionFailed, EndpointError):
            await model.ask(question)
        counts.append(model.calls)
    assert counts == [1, 1, 2, 2, 3]
