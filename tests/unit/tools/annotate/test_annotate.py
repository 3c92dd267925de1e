"""What the vision-language annotator asks, keeps and makes of answers; the faults of endpoints."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore, open_byte_store
from fieldmark.errors import CacheError, EndpointError, LimitReached, QuestionFailed
from fieldmark.records import Definition
from fieldmark.tools.annotate.document import DocumentAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.image_messages import ImageMessages
from tests.seeing import SeeingModel, answer, data_of, definition, draw, hash_of
from tests.unit.tools.annotate.annotating import RED, annotator, calls


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
