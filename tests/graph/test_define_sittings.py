"""What lies around a conversation: the blind test, labels given by hand, sittings that end early."""

from pathlib import Path
from typing import Any

from fieldmark.agents.define.drafts import Drafts
from fieldmark.agents.define.labelling import label_images
from fieldmark.agents.define.scope import with_blind_test
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import LimitReached
from fieldmark.records import Clause, Definition
from fieldmark.records.conversation import BlindBatch, BoardToLabel, ImageLabel, VerdictReveal
from fieldmark.tools.concepts.changes import blind_labels, dev_labels, repeats, with_version
from tests.graph.define_talk import options, talk
from tests.graph.define_world import CREST, RED, SMALL, Scene, scene


def free_images(at: Scene) -> list[str]:
    """Images outside of the blind test, which is drawn now."""
    folder, context = at.context.folder, at.context
    folder.save(with_blind_test(folder.load(), context.pool, context.encoder, count=SMALL.blind))
    return [i.content_hash for i in context.pool.images if i.content_hash not in folder.load().blind]


def test_a_concept_made_without_a_blind_test_never_gets_one(tmp_path: Path) -> None:
    at = scene(tmp_path, options(conversation=False))
    without = with_blind_test(at.concept, at.context.pool, at.context.encoder, count=0)
    at.context.folder.save(without)
    talk(at)
    assert at.concept.versions
    assert at.concept.blind == {}


def test_no_blind_test_is_drawn_from_images_that_may_be_labelled(tmp_path: Path) -> None:
    at = scene(tmp_path, options(conversation=False))
    run_to_end(label_images(at.context.folder, [at.context.pool.images[0].content_hash], at.owner))
    talk(at)
    assert at.concept.blind == {}


def test_labels_of_named_images_that_are_given_again_are_no_repeats(tmp_path: Path) -> None:
    at = scene(tmp_path)
    images = free_images(at)[:2]
    for _ in range(2):
        run_to_end(label_images(at.context.folder, images, at.owner))
    assert [label.image for label in at.concept.labels] == images * 2
    assert repeats(at.concept) == []


def test_a_draft_is_gone_once_its_answer_is_kept(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0))
    drafts = Drafts(at.context.folder.path)
    images, real = free_images(at)[:2], at.owner.answer

    async def drafting(payload: Any) -> Any:
        if isinstance(payload, BoardToLabel):
            assert drafts.load(payload.images) == ()
            drafts.save(payload.images, [ImageLabel(image=payload.images[0], value="in")])
        return await real(payload)

    at.owner.answer = drafting  # type: ignore[method-assign]
    run_to_end(label_images(at.context.folder, images, at.owner))
    assert drafts.load(images) == ()
    talk(at, one_board=True)
    boards = [payload for payload in at.owner.told if isinstance(payload, BoardToLabel)]
    assert len(boards) == 2
    assert drafts.load(boards[-1].images) == ()


def test_no_edit_is_offered_before_there_are_ten_labels(tmp_path: Path) -> None:
    wrong = Clause(id="c2", role="necessary", text="The bird has a blue wing.")
    clauses = (Clause(id="c1", role="necessary", text=f"The bird has {RED}."), wrong)
    for before, offered in ((4, False), (5, True)):
        at = scene(tmp_path / str(before), options(questions=0, boards=1, repeats=0))
        folder, shows = at.context.folder, at.owner.world.shows
        free = free_images(at)
        told = [i for i in free if at.owner.says(i) == "in" and not shows(at.owner.files[i], "a blue wing")]
        folder.save(with_version(folder.load(), Definition(clauses=clauses), why="test", at="t"))
        run_to_end(label_images(folder, told[:before], at.owner))
        talk(at, one_board=True)
        assert len(dev_labels(at.concept)) == before + 5
        assert ("offer" in at.owner.kinds()) == offered


def test_a_board_is_shown_though_the_blind_test_waits(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0, boards=1))
    at.owner.leave_at = ["blind"]
    left = talk(at)
    assert isinstance(left.pending, BlindBatch)
    again = scene(tmp_path, options(questions=0, boards=1))
    sitting = talk(again, one_board=True, anew=True)
    assert again.owner.kinds()[:2] == ["board", "reveal"]
    assert isinstance(sitting.pending, BlindBatch)
    assert [d.answer for d in again.concept.decisions if d.kind == "stop"] == ["boards"]
    assert len(dev_labels(again.concept)) == 10
    assert blind_labels(again.concept) == {}


def test_an_answer_that_a_limit_came_upon_revises_the_clauses_later(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=3))
    scopes = iter([None, LimitReached("no more")])
    at.analyst.fault = lambda q: next(scopes, None) if q.prompt_id == "scope.v1" else None
    assert talk(at).state.stop_reason == "calls"
    assert at.owner.kinds().count("scope") == 1
    assert ("negative", CREST) not in at.texts
    again = scene(tmp_path, options(questions=3))
    talk(again, one_board=True)
    assert ("negative", CREST) in again.texts
    # The two questions that were still open come before the first board.
    assert again.owner.kinds()[:3] == ["scope", "scope", "board"]


def test_verdicts_that_a_limit_came_upon_are_shown_later(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0))
    real, judge = at.owner.answer, at.annotator.judge

    async def stopped(*_: Any, **__: Any) -> Any:
        raise LimitReached("no more")

    async def answer(payload: Any) -> Any:
        if isinstance(payload, BoardToLabel):
            at.annotator.judge = stopped  # type: ignore[method-assign]
        return await real(payload)

    at.owner.answer = answer  # type: ignore[method-assign]
    assert talk(at).state.stop_reason == "calls"
    (board,) = [payload for payload in at.owner.told if isinstance(payload, BoardToLabel)]
    at.annotator.judge = judge  # type: ignore[method-assign]
    again = scene(tmp_path, options(questions=0))
    talk(again, one_board=True)
    shown = again.owner.told[0]
    assert isinstance(shown, VerdictReveal)
    assert {image.image for image in shown.images} == set(board.images)
