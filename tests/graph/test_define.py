"""The conversation about a concept: its order, its end, what survives a kill, and what faults do to it."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.define.run import Sitting
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    EditOffer,
    ScopeQuestion,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import blind_labels, dev_labels, repeats
from tests.graph.define_talk import WANTED, options, talk, told
from tests.graph.define_world import RED, SMALL, TAIL, Scene, scene


def test_the_conversation_finds_the_rule_and_ends_by_agreement(whole: tuple[Scene, Sitting]) -> None:
    at, sitting = whole
    assert sitting.pending is None
    assert sitting.state.stop_reason == "agreement"
    assert at.texts == WANTED
    assert at.concept.decisions[-1].kind == "stop"
    assert at.concept.decisions[-1].answer == "agreement"


def test_questions_come_first_then_boards_with_their_verdicts_and_the_blind_test_last(
    whole: tuple[Scene, Sitting],
) -> None:
    kinds = whole[0].owner.kinds()
    assert kinds[:4] == ["scope", "scope", "board", "reveal"]
    assert kinds[kinds.index("offer") - 1] == "reveal"
    assert kinds[-2:] == ["blind", "blind"]
    assert "blind" not in kinds[:-2]
    for before, after in itertools.pairwise(kinds):
        assert (before == "board") == (after == "reveal")


def test_nothing_about_an_ambiguity_or_a_verdict_is_shown_before_the_labels(
    whole: tuple[Scene, Sitting],
) -> None:
    shown = [json.loads(p.model_dump_json()) for p in whole[0].owner.told if isinstance(p, BoardToLabel)]
    assert shown
    assert all(set(board) == {"turn", "kind", "images", "number", "hinders"} for board in shown)
    reveals = [p for p in whole[0].owner.told if isinstance(p, VerdictReveal)]
    assert any(reveal.ambiguity for reveal in reveals)


def test_the_blind_test_is_excluded_from_everything_else(whole: tuple[Scene, Sitting]) -> None:
    at, _ = whole
    blind = set(at.concept.blind)
    assert len(blind) == SMALL.blind
    for payload in at.owner.told:
        if isinstance(payload, ScopeQuestion | BoardToLabel):
            assert not blind & set(payload.images)
        if isinstance(payload, VerdictReveal):
            assert not blind & {image.image for image in payload.images}
        if isinstance(payload, BlindBatch):
            assert set(payload.images) <= blind
    assert not blind & {look.split()[0] for look in at.annotator.looks}
    assert set(blind_labels(at.concept)) == blind
    assert not blind & set(dev_labels(at.concept))


def test_a_first_label_is_unprimed_and_what_comes_back_is_told_as_a_repeat(
    whole: tuple[Scene, Sitting],
) -> None:
    concept = whole[0].concept
    seen: set[str] = set()
    for label in concept.labels:
        if label.split == "dev" and label.image not in seen:
            assert not label.primed
            assert not label.repeat
        seen.add(label.image)
    assert 6 <= len(repeats(concept)) <= SMALL.repeats
    back = Counter(label.image for label in concept.labels if label.repeat)
    assert set(back.values()) == {1}


def test_no_verdict_is_asked_for_twice(whole: tuple[Scene, Sitting]) -> None:
    assert set(Counter(whole[0].annotator.looks).values()) == {1}


def test_an_edit_is_offered_with_what_it_would_change(whole: tuple[Scene, Sitting]) -> None:
    offers = [payload for payload in whole[0].owner.told if isinstance(payload, EditOffer)]
    assert f"+ negative: The bird has {TAIL}." in offers[0].diff
    for offer in offers:
        assert f"  necessary: The bird has {RED}." in offer.diff
        assert {(flip.before, flip.after) for flip in offer.flips} == {("in", "out")}
        assert offer.fit == "better"


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("kind", ["scope", "board", "reveal", "offer", "blind"])
def test_an_owner_who_leaves_at_a_question_finds_it_again(
    tmp_path: Path, kind: str, whole: tuple[Scene, Sitting]
) -> None:
    first = scene(tmp_path)
    first.owner.leave_at = [kind]
    left = talk(first)
    assert left.pending is not None
    assert left.pending.kind == kind
    second = scene(tmp_path)
    assert talk(second).pending is None
    assert second.owner.told[0] == left.pending
    assert told(second.concept) == told(whole[0].concept)
    looks = Counter([*first.annotator.looks, *second.annotator.looks])
    assert set(looks.values()) == {1}


class Killed(BaseException):
    """Stands for a kill: nothing after this point happens."""


def kill_every_other_time(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let every other call of a function be the last thing that its process does."""
    real, calls = getattr(owner, name), [0]

    def deadly(*given: Any, **named: Any) -> Any:
        done = real(*given, **named)
        calls[0] += 1
        if calls[0] % 2:
            raise Killed
        return done

    monkeypatch.setattr(owner, name, deadly)
    return calls


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("moment", ["concept written", "anything written"])
def test_a_kill_after_anything_was_written_loses_and_doubles_nothing(
    tmp_path: Path, moment: str, whole: tuple[Scene, Sitting], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldmark.tools.concepts.folder import ConceptFolder

    scene(tmp_path)  # the concept is there
    owner, name = ConceptFolder, "save" if moment == "concept written" else "write"
    calls = kill_every_other_time(owner, name, monkeypatch)
    payloads: list[str] = []
    looks: Counter[str] = Counter()
    for _ in range(60):
        at = scene(tmp_path)
        try:
            sitting = talk(at)
        except Killed:
            sitting = None
        payloads += [payload.turn for payload in at.owner.told]
        looks.update(at.annotator.looks)
        if sitting is not None:
            break
    assert sitting is not None
    assert sitting.pending is None
    assert calls[0] > 8
    assert told(at.concept) == told(whole[0].concept)
    assert set(looks.values()) == {1}
    assert len(set(payloads)) == len(payloads), "a question that was answered came again"


def test_random_boards_ask_the_annotator_nothing_before_the_labels(tmp_path: Path) -> None:
    at = scene(tmp_path, options(kind="random", boards=2, questions=0))
    sitting = talk(at)
    assert sitting.state.stop_reason == "boards"
    boards = [set(p.images) for p in at.owner.told if isinstance(p, BoardToLabel)]
    assert [len(board) for board in boards] == [5, 5]
    assert "queries" not in at.analyst.kinds()
    judged = {look.split()[0] for look in at.annotator.looks}
    assert judged == boards[0] | boards[1]
    assert all(p.ambiguity == "" for p in at.owner.told if isinstance(p, VerdictReveal))


def test_without_a_conversation_clauses_are_drafted_and_nobody_is_asked(tmp_path: Path) -> None:
    at = scene(tmp_path, options(conversation=False))
    sitting = talk(at)
    assert sitting.state.stop_reason == "no_conversation"
    assert at.owner.told == []
    assert at.texts == {("necessary", RED)}
    assert len(at.concept.blind) == SMALL.blind


def test_every_board_says_what_still_hinders_the_end(whole: tuple[Scene, Sitting]) -> None:
    boards = [payload for payload in whole[0].owner.told if isinstance(payload, BoardToLabel)]
    assert all(board.hinders for board in boards)
    assert "6 pictures shown a second time" in boards[0].hinders
    assert boards[0].hinders[-1] == "after 6 more boards or 80 labels"
    assert "6 pictures shown a second time" not in boards[-1].hinders


def test_the_owner_ends_it(tmp_path: Path) -> None:
    for kind in ("scope", "board", "reveal"):
        at = scene(tmp_path / kind)
        at.owner.stop_at = kind
        sitting = talk(at)
        assert sitting.state.stop_reason == "owner"
        assert at.owner.kinds().count(kind) == 1
        assert at.owner.kinds()[-1] == "blind"
    assert len(dev_labels(at.concept)) == 5, "what was labelled on the last board counts"


def test_a_question_that_is_skipped_changes_nothing_and_the_next_one_follows(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=2, boards=0))
    at.owner.empty = 1
    drafts = talk(at)
    first, second = at.owner.told[:2]
    assert isinstance(first, ScopeQuestion)
    assert isinstance(second, ScopeQuestion)
    assert first.question != second.question
    assert [d.answer for d in at.concept.decisions if d.question == first.question] == [""]
    put = [question.prompt_id for question in at.analyst.asked]
    assert put.count("scope.v1") == 2, "the draft, and one answer"
    assert drafts.pending is None


def test_a_board_that_stays_unanswered_is_taken_as_unsure(tmp_path: Path) -> None:
    at = scene(tmp_path, options(questions=0, boards=1))
    at.owner.empty = 2
    talk(at)
    whole, rest = at.owner.told[:2]
    assert isinstance(whole, BoardToLabel)
    assert isinstance(rest, BoardToLabel)
    assert rest.images == whole.images[:2]
    labels = dev_labels(at.concept)
    assert {image: labels[image].value for image in rest.images} == dict.fromkeys(rest.images, "unsure")
    assert len(labels) == 5


def test_questions_that_stay_unanswered_do_not_come_back(tmp_path: Path) -> None:
    at = scene(tmp_path, options(boards=0))
    at.owner.empty = 99
    talk(at)
    asked = [p.question for p in at.owner.told if isinstance(p, ScopeQuestion)]
    assert Counter(asked) == {asked[0]: 1, asked[-1]: 1}
    assert at.texts == {("necessary", RED)}
