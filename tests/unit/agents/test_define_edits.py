"""Edits compete with the definition in force; the simpler one wins within noise."""

import pytest

from fieldmark.agents.define_edits import (
    Weighed,
    best,
    diff_lines,
    examples_of,
    usable,
    weighed,
)
from fieldmark.agents.define_recording import MISREAD
from fieldmark.prompts.refine import ProposedEdit
from fieldmark.records import (
    Clause,
    ClauseVerdict,
    Concept,
    Decision,
    Definition,
    Edit,
    Label,
    Verdict,
    Version,
)

RED = Clause(id="c1", role="necessary", text="The bird has a red belly.")
CREST = Clause(id="c2", role="negative", text="The bird has a crest.")
DEFINITION = Definition(clauses=(RED, CREST))
CONCEPT = Concept(name="x", versions=(Version(number=1, definition=DEFINITION, why="", at="t"),), current=1)
ADD = Edit(kind="add", clause=Clause(id="c3", role="negative", text="The bird has a long tail."))


def tried(
    kind: str, fixes: int, breaks: int, *, before: float = 0.5, after: float = 0.6, text: str = "x"
) -> Weighed:
    clause = Clause(id="c9", role="negative", text=text)
    edit = Edit.model_validate({"kind": kind, "clause": clause, "replaces": None})
    return Weighed(edit, (), fixes, breaks, 0.5, after)


@pytest.mark.parametrize(
    ("kind", "fixes", "breaks", "after", "offered"),
    [
        ("add", 1, 0, 0.6, True),
        ("add", 0, 0, 0.9, False),
        ("add", 2, 1, 0.6, False),  # 1 < √3: within noise, so the shorter definition stays
        ("add", 3, 1, 0.6, True),  # 2 ≥ √4
        ("add", 3, 1, 0.4, False),  # F1 falls
        ("reword", 2, 1, 0.6, True),  # no longer than before: any gain will do
        ("reword", 1, 1, 0.6, False),
        ("drop", 1, 2, 0.45, True),  # −1 ≥ −√3: within noise, so the shorter definition wins
        ("drop", 1, 4, 0.3, False),
        ("drop", 0, 0, 0.5, False),  # fixes nothing
    ],
)
def test_what_may_be_offered(kind: str, fixes: int, breaks: int, after: float, offered: bool) -> None:
    assert tried(kind, fixes, breaks, after=after).acceptable is offered


def test_the_largest_gain_wins_and_among_equals_the_simplest() -> None:
    add, reword, drop = tried("add", 3, 0), tried("reword", 3, 0), tried("drop", 3, 0)
    assert best([add, reword, drop]) is drop
    assert best([add, reword]) is reword
    assert best([tried("add", 4, 0), drop]) is not drop
    short = tried("add", 3, 0, text="y")
    assert best([tried("add", 3, 0, text="a longer text"), short]) is short
    assert best([tried("add", 2, 2)]) is None


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
    assert result.f1_before == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert result.f1_after == pytest.approx(2 * 1 / (2 * 1 + 1))


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
    reword = Edit(kind="reword", clause=Clause(id="c3", role="negative", text="A tall crest."), replaces="c2")
    assert diff_lines(DEFINITION, reword) == (
        "  necessary: The bird has a red belly.",
        "- negative: The bird has a crest.",
        "+ negative: A tall crest.",
    )
    drop = Edit(kind="drop", clause=CREST)
    assert diff_lines(DEFINITION, drop)[-1] == "- negative: The bird has a crest."
