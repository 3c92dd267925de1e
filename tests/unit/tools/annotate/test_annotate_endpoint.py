"""The annotator before real endpoints and their faults; gaps, debates and documents."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import EndpointError, InputError, LimitReached, QuestionFailed
from fieldmark.records import UsageLimits
from fieldmark.tools.annotate.document import DocumentAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from tests.faulty_endpoint import FaultyEndpoint, Reply, completion, error
from tests.seeing import SeeingModel, data_of, draw, reply
from tests.unit.tools.annotate.annotating import RED, annotator, calls, chat

Told = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


async def test_an_endpoint_is_shown_each_image_once(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue", "green"] * 4)
    store = MemoryByteStore()
    with FaultyEndpoint([reply]) as endpoint:
        for _ in range(2):
            async with chat(endpoint, concurrency=3) as llm:
                eyes = VlmAnnotator(llm, model=await llm.identify(), store=VerdictStore(store))
                verdicts = await eyes.judge(images, RED)
        assert endpoint.asked == 12
        assert endpoint.most_at_once <= 3
    assert calls(verdicts) == ["in", "out", "out"] * 4
    assert endpoint.base_url in eyes.identity and "test-model" in eyes.identity


@pytest.mark.parametrize(
    ("fault", "reason", "call"),
    [
        (completion(None, refusal="I cannot help with that."), "refused", "refused"),
        (completion("It is a fine picture."), "malformed", "abstain"),
        (completion('{"seen": "x", "findings": [], "rationale": ""}'), "off_schema", "abstain"),
        (completion('{"seen": "x', finish_reason="length"), "truncated", "abstain"),
        (Reply(delay_s=30), "timeout", "abstain"),
        (error(400, "the image is too small"), "http_400", "abstain"),
    ],
    ids=["refused", "prose", "off its form", "cut off", "slow", "turned away"],
)
async def test_faults_of_one_question_are_counted_and_the_rest_goes_on(
    tmp_path: Path, fault: Reply, reason: str, call: str
) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    answers = MemoryByteStore()

    def script(request: Any) -> Reply:
        said = reply(request)
        return fault if b"red picture" in said.body else said

    with FaultyEndpoint([script]) as endpoint:
        async with chat(endpoint, answers, timeout_s=1.0, answer_retries=1) as llm:
            eyes = annotator(llm)
            assert calls(await eyes.judge(images, RED)) == [call, "out"]
    assert eyes.failures == {reason: 1}
    assert len(answers) == 1


async def test_a_limit_comes_before_the_call_that_would_pass_it(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue", "green"] * 3)
    store = MemoryByteStore()
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=5)) as llm:
            with pytest.raises(LimitReached):
                await annotator(llm, store).judge(images, RED)
        assert endpoint.asked == len(store) == 5


async def test_an_endpoint_that_goes_away_stops_the_work(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    with FaultyEndpoint([error(401, "wrong key")]) as endpoint:
        async with chat(endpoint) as llm:
            with pytest.raises(EndpointError):
                await annotator(llm).judge(images, RED)


async def test_gaps_are_asked_of_what_has_a_call(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue", "green"])
    llm = SeeingModel()
    eyes = annotator(llm)
    verdicts = list(await eyes.judge(images, RED))
    verdicts[2] = verdicts[2].model_copy(update={"call": "abstain", "p": None})
    asked = len(llm.asked)
    about = {"concept": "red things", "purpose": "a wall of red", "definition": RED}
    assert await eyes.gaps(images, verdicts, **about) == (("red pictures",), ("blue pictures",), ())
    assert len(llm.asked) == asked + 2
    shown = [data_of(question.messages[-1].content) for question in llm.asked[asked:]]
    assert {(data["call"], data["seen"]) for data in shown} == {
        ("in", "A red picture."),
        ("out", "A blue picture."),
    }
    with pytest.raises(InputError):
        await eyes.gaps(images, verdicts[:1], **about)
    failing = annotator(SeeingModel(lambda _: QuestionFailed("no", reason="refused")))
    assert await failing.gaps(images, verdicts, **about) == ((), (), ())


def unsure(turns: int) -> Told:
    """A judge who is sure only after so many rounds."""

    def told(data: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        doubts = "side" in said and int(data["round"]) <= turns
        return said | {"confidence": 60} if doubts else said

    return told


async def test_a_debate_hears_both_sides_before_it_decides(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    llm = SeeingModel()
    red, blue = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (red.call, red.p) == ("in", 0.9)
    assert (blue.call, blue.p) == ("out", 0.1)
    assert (red.for_in, red.for_out) == ("It is red, so it is in.", "It is red, so it is out.")
    assert len(llm.asked) == 6


@pytest.mark.parametrize(("turns", "asked", "p"), [(0, 3, 0.9), (1, 6, 0.9), (2, 6, 0.6)])
async def test_a_second_round_is_for_judges_who_are_not_sure(
    tmp_path: Path, turns: int, asked: int, p: float
) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(told=unsure(turns))
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p, said.rounds, len(llm.asked)) == ("in", p, asked // 3, asked)
    chats = [question.messages for question in llm.asked]
    assert all(after[: len(before)] == before for before, after in pairwise(chats))
    once = SeeingModel(told=unsure(2))
    await annotator(once).debate(images, RED, concept="red things", purpose="", rounds=1)
    assert len(once.asked) == 3
    foretold = annotator(llm).debate_foretold(RED, concept="red things", purpose="")
    assert [question.prompt_id for question in foretold[:asked]] == [q.prompt_id for q in llm.asked]
    assert len(foretold) == 6


async def test_there_is_no_second_round_where_a_side_gives_in(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    doubting = unsure(2)
    llm = SeeingModel(
        told=lambda data, said: (
            said | {"concedes": data["side"] == "out"} if "argument" in said else doubting(data, said)
        )
    )
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p, said.rounds, len(llm.asked)) == ("in", 0.6, 1, 3)


async def test_a_second_round_that_fails_leaves_what_the_first_decided(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(told=unsure(2))
    llm.fault = lambda _: QuestionFailed("no", reason="refused") if len(llm.asked) > 3 else None
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p, said.rounds) == ("in", 0.6, 1)


async def test_a_debate_that_was_stopped_goes_on_without_a_repeated_call(tmp_path: Path) -> None:
    images, store = draw(tmp_path / "p", ["red"]), MemoryByteStore()
    about = {"concept": "red things", "purpose": ""}
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, store, limits=UsageLimits(max_calls=2)) as llm:
            with pytest.raises(LimitReached):
                await annotator(llm).debate(images, RED, **about)
        assert endpoint.asked == 2
        async with chat(endpoint, store) as llm:
            (said,) = await annotator(llm).debate(images, RED, **about)
        assert (said.call, endpoint.asked) == ("in", 3)


@pytest.mark.parametrize("silent", ["argue.v2", "argue_again.v1", "settle.v2"])
async def test_a_debate_without_an_answer_leaves_it_open(tmp_path: Path, silent: str) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(lambda q: QuestionFailed("no", reason="refused") if q.prompt_id == silent else None)
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p) == ("refused", None)


async def test_a_debate_may_end_without_a_decision(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(
        told=lambda data, said: {**said, "side": "cannot_tell", "confidence": 0} if "round" in data else said
    )
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p, said.rationale) == ("abstain", None, "It is red.")


async def test_a_document_alone_labels_images(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    store = MemoryByteStore()
    llm = SeeingModel()
    reader = DocumentAnnotator(llm, "Label red pictures in.", model="m@e", store=VerdictStore(store))
    verdicts = await reader.judge(images)
    assert [(v.call, v.p) for v in verdicts] == [("in", 0.9), ("out", 0.1)]
    assert json.loads(json.dumps(data_of(llm.asked[0].messages[-1].content))) == {
        "document": "Label red pictures in."
    }
    assert await reader.judge(images) == verdicts
    assert reader.calls == len(llm.asked) == 2
    other = DocumentAnnotator(llm, "It is hidden.", model="m@e", store=VerdictStore(store))
    assert [(v.call, v.p) for v in await other.judge(images)] == [("abstain", None)] * 2
    await other.judge(images)
    assert (other.calls, other.failures) == (2, {})


async def test_a_document_annotator_keeps_no_failure(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    store = VerdictStore(MemoryByteStore())
    refusing = SeeingModel(lambda _: QuestionFailed("no", reason="refused"))
    reader = DocumentAnnotator(refusing, "Label red pictures in.", model="m@e", store=store)
    assert calls(await reader.judge(images)) == ["refused"]
    assert reader.failures == {"refused": 1}
    seeing = DocumentAnnotator(SeeingModel(), "Label red pictures in.", model="m@e", store=store)
    assert calls(await seeing.judge(images)) == ["in"]
