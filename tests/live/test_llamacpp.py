"""The resolve graph against llama.cpp's own server: real HTTP, a real grammar, weights that may be random.

Opt-in, with a `llama-server` built from llama.cpp's source (the source package of llama-cpp-python holds it):
`LLAMACPP_BASE_URL=http://127.0.0.1:8080/v1 pytest -m llamacpp`. The model may know nothing at all;
what is tested is that whatever it says is read or counted as a failure, and that the run ends with a reason.
"""

import asyncio
import os
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from fieldmark.cache.bytestore import ByteStore, open_byte_store
from fieldmark.records import ChatMessage, Question, UsageLimits
from fieldmark.tools.llm.chat import ChatModel
from tests.graph.running import Ran, make_context, options, run_async
from tests.graph.world import World

BASE_URL = os.environ.get("LLAMACPP_BASE_URL", "")
MODEL = os.environ.get("LLAMACPP_MODEL", "tiny-random")
WORLD = World(names=("finch", "heron", 'a "quoted" {gull}', "wren", "crane", "robin"))

pytestmark = [
    pytest.mark.llamacpp,
    pytest.mark.skipif(not BASE_URL, reason="LLAMACPP_BASE_URL is not set"),
    pytest.mark.timeout(1200),
]


class Pick(BaseModel):
    """An answer that random weights finish too: the grammar leaves a handful of tokens."""

    model_config = ConfigDict(extra="forbid")
    colour: Literal["red", "blue", "green"]
    striped: bool


async def resolve(folder: Path, run: str = "run", *, most: int | None = None) -> tuple[Ran, ChatModel]:
    with open_byte_store(folder / "answers") as store:
        async with ChatModel(
            MODEL,
            base_url=BASE_URL,
            api_key=None,
            store=store,
            concurrency=2,
            timeout_s=300.0,
            limits=UsageLimits(max_calls=most),
        ) as model:
            context = make_context(folder / run, WORLD, llm=model, options=options(max_rounds=2))
            return await run_async(context), model


def test_nonsense_does_no_harm_and_the_run_says_why_it_ended(tmp_path: Path) -> None:
    ran, model = asyncio.run(resolve(tmp_path))
    usage = model.usage
    assert ran.state.stop_reason in ("resolved", "no_progress", "max_rounds")
    assert len(ran.predictions) == len(ran.context.images)
    assert all(p.label in WORLD.names for p in ran.predictions)
    assert usage.requests == len(ran.notebook.notes) > len(WORLD.names)
    failed = [note for note in ran.notebook.notes if note.failure]
    assert usage.failed == len(failed)
    answered = [note for note in ran.notebook.notes if not note.failure]
    assert all(note.prompts for note in answered if note.spec.kind == "describe")
    # The grammar holds even random weights to the schema; only the answer's length can fail.
    assert {note.reason.split(":")[0] for note in failed} <= {"truncated", "off_schema"}
    assert model.response_format == "json_schema"

    again, repeated = asyncio.run(resolve(tmp_path, "again"))
    assert repeated.usage.cached >= len(answered)
    assert len(again.predictions) == len(ran.predictions)


def test_the_grammar_holds_any_weights_to_the_schema(tmp_path: Path) -> None:
    def question(sample: int) -> Question[Pick]:
        words = ChatMessage(role="user", content="Which colour is it, and is it striped?")
        return Question(
            prompt_id="pick.v1", messages=(words,), answer_model=Pick, max_tokens=200, sample=sample
        )

    async def ask(store: ByteStore) -> list[bool]:
        async with ChatModel(MODEL, base_url=BASE_URL, api_key=None, store=store, timeout_s=300.0) as model:
            answers = await asyncio.gather(*(model.ask(question(sample)) for sample in range(8)))
            assert model.faults == {}
            return [answer.cached for answer in answers]

    with open_byte_store(tmp_path) as store:
        assert asyncio.run(ask(store)) == [False] * 8
        assert asyncio.run(ask(store)) == [True] * 8


def test_a_limit_stops_it_and_it_goes_on(tmp_path: Path) -> None:
    stopped, _ = asyncio.run(resolve(tmp_path, most=3))
    assert stopped.state.stop_reason == "budget"
    whole, model = asyncio.run(resolve(tmp_path))
    assert whole.state.stop_reason in ("resolved", "no_progress", "max_rounds")
    assert len(whole.notebook.notes) >= model.usage.requests
