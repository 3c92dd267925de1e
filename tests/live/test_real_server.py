"""The language model tool against a server that none of us wrote: vLLM on a CPU, llama.cpp, or any other.

Opt-in: `FIELDMARK_LIVE_URL=http://127.0.0.1:8000/v1 FIELDMARK_LIVE_MODEL=tiny pytest -m live`.
docs/serving.md has the commands that start one. The model may be random or tiny: what is tested is
that the wire, the schemas and the failure modes are understood, not what it says.
"""

import asyncio
import os
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.describe import ask_describe
from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.answer_schema import RANGE
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.probe import probe_endpoint

BASE_URL = os.environ.get("FIELDMARK_LIVE_URL", "")
MODEL = os.environ.get("FIELDMARK_LIVE_MODEL", "tiny")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not BASE_URL, reason="FIELDMARK_LIVE_URL is not set"),
    pytest.mark.timeout(1800),
]


class Marks(BaseModel):
    """An answer whose strings, lists and numbers have an end."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["bird", "plant"]
    marks: Annotated[
        list[Annotated[str, Field(json_schema_extra={"maxLength": 40})]], Field(min_length=2, max_length=4)
    ]
    sure: Annotated[int, Field(json_schema_extra={RANGE: [0, 100]})]


def question(sample: int, room: int = 512) -> Question[Marks]:
    words = (
        ChatMessage(role="system", content="You know birds."),
        ChatMessage(role="user", content="Name marks of a robin."),
    )
    return Question(
        prompt_id="marks.v1",
        messages=words,
        answer_model=Marks,
        max_tokens=room,
        sample=sample,
        temperature=0.7,
    )


def model(store: MemoryByteStore, **options: int) -> ChatModel:
    return ChatModel(MODEL, base_url=BASE_URL, api_key=None, store=store, concurrency=2, **options)


def test_bounds_end_the_answers_of_any_model() -> None:
    async def ask(store: MemoryByteStore) -> list[bool]:
        async with model(store) as llm:
            answers = await asyncio.gather(*(llm.ask(question(sample)) for sample in range(4)))
            assert llm.response_format == "json_schema"
            assert all(len(mark) <= 40 for answer in answers for mark in answer.value.marks)
            assert all(0 <= answer.value.sure <= 100 for answer in answers)
            return [answer.cached for answer in answers]

    store = MemoryByteStore()
    assert asyncio.run(ask(store)) == [False] * 4
    assert asyncio.run(ask(store)) == [True] * 4


def test_too_little_room_is_widened_once_for_all() -> None:
    async def ask() -> None:
        async with model(MemoryByteStore()) as llm:
            await llm.ask(question(0, room=90))
            assert (llm.usage.widened, llm.faults) == (1, {"truncated": 1})
            await llm.ask(question(1, room=90))
            assert llm.usage.widened == 1

    asyncio.run(ask())


def test_a_question_of_ours_is_answered_or_has_failed_with_a_reason() -> None:
    async def ask() -> None:
        async with model(MemoryByteStore(), answer_tokens=1500) as llm:
            try:
                answer = await llm.ask(ask_describe("robin", noun="bird"))
            except QuestionFailed as failed:
                assert failed.reason in ("truncated", "off_schema")  # never a refusal of what was sent
            else:
                assert answer.value.descriptors
            assert llm.response_format == "json_schema"

    asyncio.run(ask())


def test_the_probe_knows_that_it_answers() -> None:
    async def look() -> None:
        async with model(MemoryByteStore()) as llm:
            report = await probe_endpoint(llm)
            assert report.reachable and report.model_listed
            assert report.outcome in ("answered", "cut off"), report.lines()

    asyncio.run(look())
