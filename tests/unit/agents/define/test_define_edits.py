"""Edits compete with the definition in force; the simpler one wins within noise."""

from collections import Counter
from dataclasses import replace

import pytest

from fieldmark.agents.define.edits import (
    NOISE,
    Weighed,
    best,
    diff_lines,
    examples_of,
    still_possible,
    usable,
    variants,
    weighed,
)
from fieldmark.agents.define.scores import F1Change, f1_change
from fieldmark.prompts.refine import ProposedEdit
from fieldmark.records import (
    Call,
    Clause,
    ClauseVerdict,
    Concept,
    Decision,
    Definition,
    DefinitionEdit,
    Label,
    Verdict,
    Version,
)
from fieldmark.tools.concepts.changes import MISREAD, edited

RED = Clause(id="c1", role="necessary", text="The bird has a red belly.")
CREST = Clause(id="c2", role="negative", text="The bird has a crest.")
DEFINITION = Definition(clauses=(RED, CREST))
CONCEPT = Concept(name="x", versions=(Version(number=1, definition=DEFINITION, why="", at="t"),), current=1)
ADD = DefinitionEdit(kind="add", clause=Clause(id="c3", role="negative", text="The bird has a long tail."))


def tried(kind: str, gain: float, error: float, *, fixes: int = 1, text: str = "x") -> Weighed:
    clause = Clause(id="c9", role="negative", text=text)
    edit = DefinitionEdit.model_validate({"kind": kind, "clause": clause, "replaces": None})
    return Weighed(edit, (), fixes, 0, F1Change(0.5, 0.5 + gain, error))


@pytest.mark.parametrize(
    ("kind", "gain", "error", "offered"),
    [
        ("add", 0.10, 0.10, True),
        ("add", 0.05, 0.10, False),  # within noise, so the shorter definition stays
        ("add", -0.05, 0.10, False),
        ("add", 0.0, 0.0, False),
        ("reword", 0.10, 0.10, True),
        ("reword", 0.05, 0.10, False),  # within noise, so what is there stays
        ("drop", -0.05, 0.10, True),  # within noise, so the shorter definition wins
        ("drop", -0.10, 0.10, False),
        ("drop", 0.30, 0.10, True),
    ],
)
def test_what_may_be_offered(kind: str, gain: float, error: float, offered: bool) -> None:
    assert tried(kind, gain, error).acceptable is offered
    assert not tried(kind, gain, error, fixes=0).acceptable, "an edit that puts nothing right is not offered"


def labelled(called: str) -> Weighed:
    """An edit after which five images are called as told: i(n) or o(ut), all of them truly in."""
    calls: dict[str, Call] = {str(n): "in" if letter == "i" else "out" for n, letter in enumerate(called)}
    edit = DefinitionEdit(kind="add", clause=Clause(id="c9", role="negative", text=called))
    change = f1_change(FIVE, dict.fromkeys(FIVE, "out"), calls)
    return Weighed(edit, (), called.count("i"), 0, change, calls)


FIVE = {str(n): Label(image=str(n), value="in", split="dev", at="t") for n in range(5)}


def test_the_largest_gain_wins_and_within_noise_the_simplest_and_then_the_first() -> None:
    most, alike, other, far = (labelled(called) for called in ("iiiii", "iiiio", "iioii", "iiooo"))
    assert best([far, most], FIVE) is most, "one is far behind"
    assert best([far, other, most], FIVE) is most, "one label is a standard error"
    assert best([other, alike], FIVE) is other
    assert best([alike, other], FIVE) is alike, "none is ahead of the other: the first one proposed"
    shorter = replace(other, edit=DefinitionEdit(kind="drop", clause=CREST))
    assert best([alike, shorter], FIVE) is shorter
    assert best([], FIVE) is None
    assert best([tried("add", 0.0, 0.1)], FIVE) is None


def test_the_error_of_a_single_label_put_right_is_what_it_gains() -> None:
    labels = {str(n): label(str(n), "in" if n % 2 else "out") for n in range(20)}
    right: dict[str, Call] = {name: "in" if value.value == "in" else "out" for name, value in labels.items()}
    wrong = right | {"0": "in"}
    one = f1_change(labels, wrong, right)
    assert one.gain == pytest.approx(one.error, rel=0.06)
    assert one.gain >= NOISE * one.error
    three = f1_change(labels, wrong | {"2": "in", "4": "in"}, right)
    assert three.gain == pytest.approx(3**0.5 * three.error, rel=0.2)
    same = f1_change(labels, right, right)
    assert (same.gain, same.error) == (0.0, 0.0)


def test_what_follows_from_edits_is_tried_as_well() -> None:
    gone = Clause(id="c5", role="negative", text="The bird is small.", state="dropped")
    definition = Definition(clauses=(*DEFINITION.clauses, gone))
    concept = CONCEPT.model_copy(
        update={"versions": (Version(number=1, definition=definition, why="", at="t"),)}
    )
    made = variants([ADD.model_copy(update={"clause": ADD.clause.model_copy(update={"id": "c6"})})], concept)
    kinds = Counter((edit.kind, edit.clause.text, edit.replaces) for edit in made)
    long_tail, small = ADD.clause.text, gone.text
    assert kinds == Counter(
        [
            ("add", long_tail, None),
            ("add", small, None),
            ("reword", long_tail, "c1"),
            ("reword", long_tail, "c2"),
            ("reword", small, "c1"),
            ("reword", small, "c2"),
            ("drop", RED.text, None),
            ("drop", CREST.text, None),
        ]
    )
    ids = {edit.clause.text: edit.clause.id for edit in made if edit.kind == "add"}
    assert ids == {long_tail: "c6", small: "c7"}, (
        "a clause that comes back is a new one, its verdicts are not"
    )
    assert made[0].kind == "add", "what was proposed comes first"


def test_an_edit_that_another_one_made_pointless_is_left_out() -> None:
    reword = DefinitionEdit(kind="reword", clause=Clause(id="c7", role="negative", text="x"), replaces="c2")
    drop = DefinitionEdit(kind="drop", clause=CREST)
    without = edited(DEFINITION, drop)
    assert still_possible([ADD, reword, drop], DEFINITION) == [ADD, reword, drop]
    assert still_possible([ADD, reword, drop], without) == [ADD]
    assert still_possible([ADD], edited(DEFINITION, ADD)) == []


def verdicts(**p: tuple[float, float, float]) -> dict[str, list[ClauseVerdict]]:
    return {
        image: [
            ClauseVerdict(clause=name, finding="yes" if value >= 0.5 else "no", p=value)
            for name, value in zip(("c1", "c2", "c3"), values, strict=True)
        ]
        for image, values in p.items()
    }


def label(image: str, value: str, reason: str = "") -> Label:
    return Label.model_validate({"image": image, "value": value, "split": "dev", "reason": reason, "at": "t"})


def test_an_edit_is_weighed_on_what_it_changes() -> None:
    labels = {
        "a": label("a", "out"),
        "b": label("b", "in"),
        "c": label("c", "in"),
        "d": label("d", "unsure"),
        "e": label("e", "out", f"{MISREAD}: it has none"),
    }
    found = verdicts(
        a=(0.9, 0.1, 0.9), b=(0.9, 0.1, 0.1), c=(0.9, 0.1, 0.8), d=(0.9, 0.1, 0.9), e=(0.9, 0.1, 0.9)
    )
    result = weighed(ADD, DEFINITION, labels, found)
    assert {flip.image for flip in result.flips} == {"a", "c", "d", "e"}
    assert (result.fixes, result.breaks) == (1, 1), "neither unsure labels nor misread images count"
    assert result.f1.before == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert result.f1.after == pytest.approx(2 * 1 / (2 * 1 + 1))
    assert result.called == {"a": "out", "b": "in", "c": "out", "d": "out", "e": "out"}


def proposal(kind: str, *, clause: str = "", role: str = "", text: str = "") -> ProposedEdit:
    return ProposedEdit.model_validate(
        {"kind": kind, "clause": clause, "role": role, "text": text, "why": ""}
    )


def test_proposals_that_cannot_be_made_are_left_out() -> None:
    long_tail = proposal("add", role="negative", text="The bird has a long tail.")
    made = usable(
        [
            proposal("drop", clause="c7"),
            proposal("reword", clause="c7", role="negative", text="x"),
            proposal("add", role="negative", text=""),
            proposal("add", text="no role"),
            proposal("add", role="negative", text="the bird has a CREST"),
            long_tail,
            long_tail,
            proposal("reword", clause="c2", text="The bird has a tall crest."),
            proposal("drop", clause="c2"),
        ],
        CONCEPT,
    )
    assert [edit.kind for edit in made] == ["add", "reword", "drop"]
    assert made[1].clause.role == "negative"
    assert made[1].replaces == "c2"
    assert len({edit.clause.id for edit in made}) == 3
    assert all(edit.clause.id not in ("c1",) for edit in made)


def test_a_declined_edit_is_offered_once_more_when_there_are_more_labels() -> None:
    again = proposal("add", role="negative", text="The bird has a long tail")
    once = Decision(kind="edit", question="", answer="declined", edit=ADD, at="2026-01-01")
    before = [label(f"a{n}", "in").model_copy(update={"at": "2025-12-31"}) for n in range(40)]
    after = [label(f"b{n}", "in").model_copy(update={"at": "2026-01-02"}) for n in range(20)]
    concept = CONCEPT.model_copy(update={"decisions": (once,), "labels": tuple(before + after[:19])})
    assert usable([again], concept) == ()
    concept = CONCEPT.model_copy(update={"decisions": (once,), "labels": tuple(before + after)})
    assert len(usable([again], concept)) == 1
    twice = once.model_copy(update={"at": "2026-01-01T01"})
    concept = concept.model_copy(update={"decisions": (once, twice)})
    assert usable([again], concept) == ()


def test_the_last_clause_is_never_dropped_and_a_declined_edit_not_offered_again() -> None:
    only = Concept(
        name="x",
        versions=(Version(number=1, definition=Definition(clauses=(RED,)), why="", at="t"),),
        current=1,
    )
    assert usable([proposal("drop", clause="c1")], only) == ()
    declined = Decision(kind="edit", question="", answer="declined: no", edit=ADD, at="t")
    again = proposal("add", role="negative", text="The bird has a long tail")
    assert usable([again], CONCEPT)
    assert usable([again], CONCEPT.model_copy(update={"decisions": (declined,)})) == ()


def test_wrong_calls_with_a_reason_are_shown_first() -> None:
    labels = {
        "right": label("right", "in", "red"),
        "plain": label("plain", "out"),
        "misread": label("misread", "out", MISREAD),
        "why": label("why", "out", "it has a long tail"),
    }
    found = [
        Verdict.model_validate({"image": image, "call": "in", "seen": image, "annotator": "x"})
        for image in labels
    ]
    shown = [example.seen for example in examples_of(labels, found)]
    assert shown[:2] == ["why", "plain"]
    assert set(shown[2:]) == {"right", "misread"}


def test_a_diff_says_what_goes_comes_and_stays() -> None:
    reword = DefinitionEdit(
        kind="reword", clause=Clause(id="c3", role="negative", text="A tall crest."), replaces="c2"
    )
    assert diff_lines(DEFINITION, reword) == (
        "  necessary: The bird has a red belly.",
        "- negative: The bird has a crest.",
        "+ negative: A tall crest.",
    )
    drop = DefinitionEdit(kind="drop", clause=CREST)
    assert diff_lines(DEFINITION, drop)[-1] == "- negative: The bird has a crest."
