import pytest

from fieldmark.errors import InputError
from fieldmark.records import Clause, Concept, Decision, Definition, DefinitionEdit, Label
from fieldmark.tools.concepts import changes

STRIPES = Clause(id="c1", role="necessary", text="It has stripes.")
CAP = Clause(id="c2", role="negative", text="It has a red cap.")


def label(image, value, *, at="2026-01-01T00:00:00+00:00", **more):
    return Label(image=image, value=value, split=more.pop("split", "dev"), at=at, **more)


def test_a_replayed_answer_is_not_doubled():
    one = label("a", "in")
    concept = changes.with_labels(Concept(name="x"), [one, one])
    assert changes.with_labels(concept, [one]).labels == (one,)
    decision = Decision(kind="scope", question="q", answer="a", at="t")
    concept = changes.with_decision(changes.with_decision(concept, decision), decision)
    assert concept.decisions == (decision,)


def test_the_last_label_counts_and_all_are_kept():
    concept = Concept(name="x")
    concept = changes.with_labels(concept, [label("a", "in"), label("b", "out", split="blind")])
    concept = changes.with_labels(concept, [label("a", "out", at="later", repeat=True)])
    assert changes.dev_labels(concept)["a"].value == "out"
    assert list(changes.blind_labels(concept)) == ["b"]
    assert [(x.value, y.value) for x, y in changes.repeats(concept)] == [("in", "out")]
    assert len(concept.labels) == 3


def test_versions_are_never_overwritten_and_rolling_back_chooses_one():
    first, second = Definition(clauses=(STRIPES,)), Definition(clauses=(STRIPES, CAP))
    concept = changes.with_version(Concept(name="x"), first, why="draft", at="1")
    concept = changes.with_version(concept, second, why="edit", at="2", scores={"dev_f1": 0.5})
    assert changes.with_version(concept, second, why="again", at="3") == concept
    back = changes.rolled_back(concept, 1, at="4")
    assert back.definition == first
    assert len(back.versions) == 2
    assert back.decisions[-1].kind == "rollback"
    again = changes.with_version(back, second, why="after all", at="5")
    assert again.current == 3
    with pytest.raises(InputError, match="versions 1 to 2"):
        changes.rolled_back(concept, 3, at="4")


def test_edits():
    definition = Definition(clauses=(STRIPES,))
    definition = changes.edited(definition, DefinitionEdit(kind="add", clause=CAP))
    bars = Clause(id="c3", role="necessary", text="It has stripes or bars.")
    definition = changes.edited(definition, DefinitionEdit(kind="reword", clause=bars, replaces="c1"))
    assert [clause.id for clause in definition.active] == ["c2", "c3"]
    assert definition.clauses[0].state == "dropped"
    definition = changes.edited(definition, DefinitionEdit(kind="drop", clause=CAP))
    definition = changes.edited(definition, DefinitionEdit(kind="agree", clause=bars))
    assert [clause.state for clause in definition.clauses] == ["dropped", "dropped", "agreed"]


@pytest.mark.parametrize(
    "edit",
    [
        DefinitionEdit(kind="drop", clause=CAP),
        DefinitionEdit(kind="add", clause=STRIPES),
        DefinitionEdit(kind="reword", clause=CAP, replaces="nobody"),
    ],
)
def test_edits_of_clauses_that_are_not_there_are_refused(edit):
    with pytest.raises(InputError, match="clause"):
        changes.edited(Definition(clauses=(STRIPES,)), edit)


def test_difference():
    agreed = STRIPES.model_copy(update={"state": "agreed"})
    change = changes.difference(Definition(clauses=(STRIPES, CAP)), Definition(clauses=(agreed,)))
    assert change.dropped == (CAP,)
    assert change.changed == ((STRIPES, agreed),)
    assert change.added == ()


def test_a_clause_that_is_dropped_and_said_anew_did_not_change():
    gone = STRIPES.model_copy(update={"state": "dropped"})
    anew = STRIPES.model_copy(update={"id": "c9"})
    before, after = Definition(clauses=(STRIPES, CAP)), Definition(clauses=(gone, CAP, anew))
    assert changes.difference(before, after) == changes.DefinitionChange(added=(), dropped=(), changed=())
    reworded = STRIPES.model_copy(update={"text": "It has broad stripes."})
    change = changes.difference(before, Definition(clauses=(reworded, CAP)))
    assert change.changed == ((STRIPES, reworded),)
