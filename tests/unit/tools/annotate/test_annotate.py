"""What the vision-language annotator asks, keeps and makes of answers; the faults of endpoints."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore, open_byte_store
from fieldmark.errors import CacheError, EndpointError, InputError, LimitReached, QuestionFailed
from fieldmark.evals.owners.document_annotator import DocumentAnnotator
from fieldmark.records import Definition, UsageLimits, Verdict
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.image_messages import ImageMessages
from tests.faulty_endpoint import FaultyEndpoint, Reply, completion, error
from tests.seeing import SeeingModel, answer, data_of, definition, draw, hash_of, reply

RED = definition("The picture is red.")


def annotator(llm: Any, store: Any = None, **options: Any) -> VlmAnnotator:
    kept = MemoryByteStore() if store is None else store
    return VlmAnnotator(llm, model="m@e", store=VerdictStore(kept), **options)


def chat(endpoint: FaultyEndpoint, store: Any = None, **options: Any) -> ChatModel:
    options = {"timeout_s": 5.0, "max_retries": 0, **options}
    kept = MemoryByteStore() if store is None else store
    return ChatModel("test-model", base_url=endpoint.base_url, api_key=None, store=kept, **options)


def calls(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [verdict.call for verdict in verdicts]


async def test_images_are_judged_clause_by_clause(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    llm = SeeingModel()
    eyes = annotator(llm)
    red, blue = await eyes.judge(images, definition("The picture is red.", "There is something hidden."))
    assert [(c.clause, c.finding, c.p) for c in red.clauses] == [("c1", "yes", 0.9), ("c2", "abstain", None)]
    assert (red.call, red.p) == ("abstain", None)
    assert [(c.finding, c.p) for c in blue.clauses] == [("no", 0.1), ("abstain", None)]
    assert blue.call == "out"  # what is red settles it, whatever is hidden
    assert (red.image, red.annotator) == (images[0].content_hash, eyes.identity)
    assert (red.seen, red.rationale) == ("A red picture.", "All of it is red.")
    assert len(llm.asked) == eyes.calls == 2


async def test_the_model_is_sent_the_very_file(tmp_path: Path) -> None:
    (image,) = draw(tmp_path / "p", ["red"])
    llm = SeeingModel()
    await annotator(llm).judge([image], RED)
    assert hash_of(llm.asked[0].messages[-1].images[0].data_url) == image.content_hash


async def test_a_second_judge_asks_nothing_and_reads_no_file(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue", "green"])
    with open_byte_store(tmp_path / "store") as store:
        first = await annotator(SeeingModel(), store).judge(images, RED)
    for image in images:
        image.path.unlink()
    llm = SeeingModel()
    with open_byte_store(tmp_path / "store") as store:
        eyes = annotator(llm, store)
        assert await eyes.judge(images, RED) == first
    assert (llm.asked, eyes.calls) == ([], 0)


async def test_one_edited_clause_asks_one_clause(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    llm = SeeingModel()
    eyes = annotator(llm)
    before = definition("The picture is red.", "It is not grey: red or blue.")
    await eyes.judge(images, before)
    after = definition("The picture is red.", "It is red or blue.")
    verdicts = await eyes.judge(images, after)
    assert (
        llm.clauses_asked()
        == [["The picture is red.", "It is not grey: red or blue."]] * 2 + [["It is red or blue."]] * 2
    )
    assert calls(verdicts) == ["in", "out"]
    await eyes.judge(images, before)  # rolled back: all of it is known
    assert eyes.calls == 4


async def test_ids_roles_and_states_ask_nothing_anew(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel()
    eyes = annotator(llm)
    await eyes.judge(images, RED)
    (clause,) = RED.clauses
    other = Definition(clauses=(clause.model_copy(update={"id": "n7", "role": "negative"}),))
    (verdict,) = await eyes.judge(images, other)
    assert (verdict.call, verdict.clauses[0].clause, len(llm.asked)) == ("out", "n7", 1)


async def test_another_model_question_or_size_is_another_annotator() -> None:
    first = annotator(SeeingModel())
    others = [
        VlmAnnotator(SeeingModel(), model="other@e", store=VerdictStore(MemoryByteStore())),
        annotator(SeeingModel(), images=ImageMessages(longest=768)),
        DocumentAnnotator(SeeingModel(), "x", model="m@e", store=VerdictStore(MemoryByteStore())),
    ]
    assert len({first.identity, *(other.identity for other in others)}) == 4


async def test_equal_pictures_and_equal_clauses_are_asked_about_once(tmp_path: Path) -> None:
    (image,) = draw(tmp_path / "p", ["red"])
    llm = SeeingModel()
    told: list[tuple[int, int]] = []
    twice = definition("The picture is red.", "The picture is red.")
    verdicts = await annotator(llm).judge([image, image], twice, progress=lambda *at: told.append(at))
    assert verdicts[0] == verdicts[1]
    assert [c.clause for c in verdicts[0].clauses] == ["c1", "c2"]
    assert llm.clauses_asked() == [["The picture is red."]]
    assert told == [(1, 1)]


async def test_without_an_active_clause_nothing_is_asked(tmp_path: Path) -> None:
    llm = SeeingModel()
    images = draw(tmp_path / "p", ["red"])
    assert calls(await annotator(llm).judge(images, Definition())) == ["abstain"]
    assert await annotator(llm).judge([], RED) == ()
    assert llm.asked == []


async def test_many_images_are_never_as_many_tasks(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"] * 60)
    most = 0

    class Watching(SeeingModel):
        async def ask(self, question: Any) -> Any:
            nonlocal most
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.sleep(0)
            return await super().ask(question)

    told: list[tuple[int, int]] = []
    await annotator(Watching(), concurrency=4).judge(images, RED, progress=lambda *at: told.append(at))
    assert most <= 4 + 2  # the test itself, and what it was started by
    assert told == [(done, 60) for done in range(1, 61)]


@pytest.mark.parametrize(
    ("reason", "call"), [("refused", "refused"), ("filtered", "refused"), ("timeout", "abstain")]
)
async def test_a_failed_question_is_a_state_of_its_own_and_never_kept(
    tmp_path: Path, reason: str, call: str
) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    store = MemoryByteStore()

    def only_red(question: Any) -> Exception | None:
        seen = answer(data_of(question.messages[-1].content), question.messages[-1].images[0].data_url)
        return QuestionFailed("no", reason=reason) if "red" in seen["seen"] else None

    eyes = annotator(SeeingModel(only_red), store)
    red, blue = await eyes.judge(images, RED)
    assert (red.call, red.clauses[0].finding, red.p) == (call, call, None)
    assert blue.call == "out"
    assert (eyes.failures, eyes.calls) == ({reason: 1}, 2)
    assert len(store) == 1
    llm = SeeingModel()
    assert calls(await annotator(llm, store).judge(images, RED)) == ["in", "out"]
    assert len(llm.asked) == 1


async def test_cannot_tell_is_the_models_own_word_and_kept(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel()
    eyes = annotator(llm)
    for _ in range(2):
        (verdict,) = await eyes.judge(images, definition("Something hidden."))
        assert (verdict.call, verdict.clauses[0].finding) == ("abstain", "abstain")
    assert len(llm.asked) == 1
    assert eyes.failures == {}


async def test_clauses_that_an_answer_leaves_out_are_asked_for_once_more(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    two = definition("The picture is red.", "It is red or blue.")

    def first_only(data: Any, said: dict[str, Any]) -> dict[str, Any]:
        return {**said, "findings": said["findings"][:1]}

    llm = SeeingModel(told=first_only)
    eyes = annotator(llm)
    (verdict,) = await eyes.judge(images, two)
    assert llm.clauses_asked() == [[clause.text for clause in two.clauses], ["It is red or blue."]]
    assert (verdict.call, eyes.failures) == ("in", {})


async def test_nonsense_out_of_the_cache_is_asked_about_once_more_and_no_more(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    samples: list[int] = []

    def forgetful(data: Any, said: dict[str, Any]) -> dict[str, Any]:
        (finding,) = said["findings"]
        return {**said, "findings": [{**finding, "clause": "c9"}]} if len(llm.asked) == 1 else said

    llm = SeeingModel(told=forgetful)
    assert calls(await annotator(llm).judge(images, RED)) == ["in"]
    samples = [question.sample for question in llm.asked]
    assert samples == [0, 1]


@pytest.mark.parametrize("wrong", ["stranger", "contradiction"])
async def test_nonsense_within_the_form_is_no_verdict(tmp_path: Path, wrong: str) -> None:
    images = draw(tmp_path / "p", ["red"])
    store = MemoryByteStore()

    def spoil(data: Any, said: dict[str, Any]) -> dict[str, Any]:
        (finding,) = said["findings"]
        if wrong == "stranger":
            return {**said, "findings": [{**finding, "clause": "c9"}]}
        return {**said, "findings": [finding, {**finding, "finding": "no"}]}

    llm = SeeingModel(told=spoil)
    eyes = annotator(llm, store)
    assert calls(await eyes.judge(images, RED)) == ["abstain"]
    assert (len(llm.asked), eyes.failures, len(store)) == (2, {"incomplete": 1}, 0)


async def test_files_that_vanished_abstain_and_the_others_go_on(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "red", "blue"])
    images[0].path.unlink()
    images[1].path.write_bytes(b"other")
    eyes = annotator(SeeingModel())
    assert calls(await eyes.judge(images, RED)) == ["abstain", "abstain", "out"]
    assert (eyes.failures, eyes.calls) == ({"unreadable": 2}, 1)


@pytest.mark.parametrize("stop", [EndpointError("gone"), LimitReached("enough"), CacheError("full")])
async def test_what_stops_everything_passes_through_and_what_was_judged_is_kept(
    tmp_path: Path, stop: Exception
) -> None:
    images = draw(tmp_path / "p", ["red"] * 30)
    store = MemoryByteStore()
    llm = SeeingModel(lambda _: stop if len(llm.asked) == 11 else None)
    with pytest.raises(type(stop)):
        await annotator(llm, store, concurrency=4).judge(images, RED)
    kept = len(store)
    assert 10 <= kept == len(llm.asked) - 1 < 15  # nothing is begun after it
    again = SeeingModel()
    await annotator(again, store).judge(images, RED)
    assert len(again.asked) == 30 - kept


async def test_after_a_kill_only_what_was_under_way_is_asked_again(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"] * 20)
    hang = asyncio.Event()

    class Hanging(SeeingModel):
        async def ask(self, question: Any) -> Any:
            if len(self.asked) == 8:
                hang.set()
                await asyncio.Event().wait()
            return await super().ask(question)

    with open_byte_store(tmp_path / "store") as store:
        task = asyncio.create_task(annotator(Hanging(), store, concurrency=2).judge(images, RED))
        await hang.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    llm = SeeingModel()
    with open_byte_store(tmp_path / "store") as store:
        await annotator(llm, store).judge(images, RED)
    assert len(llm.asked) == 12


async def test_a_model_that_sees_nothing_is_found_out(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"] * 40)
    llm = SeeingModel(lambda _: QuestionFailed("image input is not supported", reason="http", status=400))
    with pytest.raises(EndpointError, match="not supported"):
        await annotator(llm, concurrency=2).judge(images, RED)
    assert len(llm.asked) < 12


async def test_a_model_that_refuses_all_is_believed(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"] * 12)
    llm = SeeingModel(lambda _: QuestionFailed("I cannot", reason="refused"))
    assert set(calls(await annotator(llm).judge(images, RED))) == {"refused"}


# ---------------------------------------------------------------- through a real endpoint


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


# ---------------------------------------------------------------- gaps, debates, documents


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


async def test_a_debate_hears_both_sides_before_it_decides(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red", "blue"])
    llm = SeeingModel()
    red, blue = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (red.call, red.p) == ("in", 0.9)
    assert (blue.call, blue.p) == ("out", 0.1)
    assert (red.for_in, red.for_out) == ("It is red, so it is in.", "It is red, so it is out.")
    assert len(llm.asked) == 6


@pytest.mark.parametrize("silent", ["argue.v1", "settle.v1"])
async def test_a_debate_without_an_answer_leaves_it_open(tmp_path: Path, silent: str) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(lambda q: QuestionFailed("no", reason="refused") if q.prompt_id == silent else None)
    (said,) = await annotator(llm).debate(images, RED, concept="red things", purpose="")
    assert (said.call, said.p) == ("refused", None)


async def test_a_debate_may_end_without_a_decision(tmp_path: Path) -> None:
    images = draw(tmp_path / "p", ["red"])
    llm = SeeingModel(
        told=lambda data, said: {**said, "side": "cannot_tell", "confidence": 0} if "for_in" in data else said
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
