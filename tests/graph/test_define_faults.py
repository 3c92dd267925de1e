"""What limits, faults, vanished pictures and second thoughts do to the conversation about a concept."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.define.graph import build_graph
from fieldmark.agents.define.run import Conversation, Sitting
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import EndpointError, InputError, LimitReached, QuestionFailed, RunError
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ImageLabel,
    LabelReply,
    OfferReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import dev_labels, repeats, rolled_back
from tests.graph.define_talk import WANTED, options, talk, told
from tests.graph.define_world import CREST, Scene, scene
from tests.graph.world import FakeEncoder


def test_budgets_end_it_and_say_which(tmp_path: Path) -> None:
    assert talk(scene(tmp_path / "boards", options(boards=1))).state.stop_reason == "boards"
    assert talk(scene(tmp_path / "labels", options(labels=6))).state.stop_reason == "labels"
    assert talk(scene(tmp_path / "calls", options(calls=1))).state.stop_reason == "calls"


def test_questions_to_either_model_are_counted(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=2))
    state = talk(at).state
    assert at.analyst.asked
    assert state.spent == len(at.analyst.asked) + at.annotator.calls


def test_a_limit_of_the_language_model_ends_it_with_everything_kept(tmp_path: Path) -> None:
    at = scene(tmp_path)
    at.analyst.fault = lambda q: LimitReached("no more") if q.prompt_id == "refine.v1" else None
    sitting = talk(at)
    assert sitting.state.stop_reason == "calls"
    assert len(dev_labels(at.concept)) == 10
    again = scene(tmp_path)
    assert talk(again).state.stop_reason == "agreement"
    assert again.texts == WANTED
    assert again.owner.kinds().count("scope") == 0


def test_a_conversation_that_is_over_begins_again_only_where_that_is_asked_for(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=1))
    talk(at)
    again = scene(tmp_path, options(boards=1))
    assert talk(again).pending is None
    assert again.owner.told == []
    assert talk(again, anew=True).state.stop_reason == "boards"
    assert again.owner.kinds()[0] == "board"
    first, second = (next(p for p in each.owner.told if isinstance(p, BoardToLabel)) for each in (at, again))
    assert not set(first.images) & set(second.images)


def test_a_dead_endpoint_stops_it_and_it_goes_on_from_there(
    tmp_path: Path, whole: tuple[Scene, Sitting]
) -> None:
    at = scene(tmp_path)
    at.analyst.fault = lambda q: EndpointError("down") if q.prompt_id == "refine.v1" else None
    with pytest.raises(EndpointError):
        talk(at)
    second = scene(tmp_path)
    second.annotator.down = EndpointError("down")
    with pytest.raises(EndpointError):
        talk(second)
    third = scene(tmp_path)
    talk(third)
    assert told(third.concept) == told(whole[0].concept)
    looks = Counter([*at.annotator.looks, *second.annotator.looks, *third.annotator.looks])
    assert set(looks.values()) == {1}


def test_questions_that_fail_leave_the_conversation_going(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=2))
    at.analyst.fault = lambda q: QuestionFailed("no", reason="refused")
    sitting = talk(at)
    assert sitting.state.stop_reason == "boards"
    assert sitting.state.failures >= 3
    assert [clause.text for clause in at.concept.definition.active] == ["The image shows: ruddy."]


def test_without_a_language_model_labels_are_still_gathered(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=2), llm=None, gap_finder=None)
    sitting = talk(at)
    assert sitting.state.stop_reason == "boards"
    assert sitting.state.failures == 0
    assert len(dev_labels(at.concept)) == 10


def test_refused_images_are_neither_in_nor_out(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=3))
    at.annotator.refused = frozenset(i.content_hash for i in at.context.pool.images[::2])
    sitting = talk(at)
    assert sitting.state.stop_reason is not None
    calls = {i.call for p in at.owner.told if isinstance(p, VerdictReveal) for i in p.images}
    assert "refused" in calls


def test_pictures_that_vanish_are_not_shown(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=2))
    gone = [image for image in at.context.pool.images if image.content_hash[0] in "01234567"]
    for image in gone:
        image.path.unlink()
    talk(at)
    shown = {i for p in at.owner.told if isinstance(p, BoardToLabel | BlindBatch) for i in p.images}
    assert shown
    assert not shown & {image.content_hash for image in gone}


def test_a_small_pool_runs_out(tmp_path: Path) -> None:
    at = scene(tmp_path)
    from fieldmark.tools.concepts.pool import open_pool

    images = at.context.pool.images[:20]
    at.context.pool = open_pool(images, FakeEncoder(at.annotator.world))
    sitting = talk(at)
    assert sitting.state.stop_reason in ("no_images", "agreement")
    assert sitting.state.boards <= 3


def test_the_owner_changes_her_mind(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=6))
    real = at.owner.answer

    async def later_without_tails(payload: Any) -> Any:
        if isinstance(payload, BoardToLabel) and payload.number == 3:
            at.owner.exceptions = (CREST,)
        return await real(payload)

    at.owner.answer = later_without_tails  # type: ignore[method-assign]
    sitting = talk(at)
    assert sitting.pending is None
    labels = dev_labels(at.concept)
    for before, after in repeats(at.concept):
        assert labels[after.image].at >= after.at >= before.at


def test_two_conversations_on_one_concept_at_once(tmp_path: Path) -> None:
    at = scene(tmp_path)
    other = scene(tmp_path).context.folder
    with at.context.folder.writing(), pytest.raises(RunError, match="Another process"), other.writing():
        pass


def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_noted(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0))

    async def go() -> None:
        async with Conversation(at.context) as conversation:
            payload = await conversation.begin()
            assert isinstance(payload, BoardToLabel)
            for reply in (
                OfferReply(accept=True),
                LabelReply(labels=(ImageLabel(image="0" * 64, value="in"),)),
                LabelReply(labels=(ImageLabel(image=payload.images[0], value="in"),) * 2),
            ):
                with pytest.raises(InputError):
                    await conversation.reply(reply)
            assert await conversation.pending() == payload

    run_to_end(go())
    assert at.concept.labels == ()


def test_one_board_and_no_more(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0))
    first = talk(at, one_board=True)
    assert at.owner.kinds()[:2] == ["board", "reveal"]
    assert at.owner.kinds().count("board") == 1
    assert isinstance(first.pending, BoardToLabel)
    talk(at, one_board=True)
    assert at.owner.kinds().count("board") == 2


def test_after_a_rollback_the_conversation_goes_on_with_that_version(tmp_path: Path) -> None:
    at = scene(tmp_path)
    at.owner.leave_at = ["offer"]
    talk(at)
    concept = at.concept
    at.context.folder.save(rolled_back(concept, 1, at="2026-01-01T00:00:00.000000+00:00"))
    again = scene(tmp_path)
    talk(again)
    assert again.owner.told[0].kind == "board", "the offer was about another version"
    assert again.concept.versions[: len(concept.versions)] == concept.versions
    ids = [c.id for v in again.concept.versions for c in v.definition.clauses]
    texts = [c.text for v in again.concept.versions for c in v.definition.clauses]
    assert len(set(ids)) == len(set(zip(ids, texts, strict=True))), "an id never names two clauses"


def test_the_graph_holds_its_interrupts_as_nodes_of_their_own() -> None:
    nodes = set(build_graph().get_graph().nodes)
    assert {"ask", "label", "reveal", "offer", "blind"} <= nodes
    assert {"draft", "mine", "judge", "board", "refine", "triage", "finish"} <= nodes
