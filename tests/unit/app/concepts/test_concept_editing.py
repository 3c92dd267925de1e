"""Clauses and answers changed by hand: a new version each time, and nothing is overwritten."""

from pathlib import Path

import pytest

from fieldmark.agents.define.binding import against
from fieldmark.agents.define.scope import answers
from fieldmark.agents.define.waiting import moved_on
from fieldmark.app.concepts.editing import HandEdits, answers_of, edit_concept
from fieldmark.errors import InputError
from fieldmark.records import Clause, Concept, Decision, Definition, DefinitionEdit, Label
from fieldmark.tools.concepts.changes import with_decision, with_labels, with_version
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.instructions import instructions_of
from fieldmark.tools.images.image_file import ImageFile

RED = Clause(id="c1", role="necessary", text="The bird is red.")
CREST = Clause(id="c2", role="negative", text="The bird has a crest.")


@pytest.fixture
def folder(tmp_path: Path) -> ConceptFolder:
    """A concept that was drafted as red, and whose one answer brought a second clause."""
    concept = with_version(Concept(name="Ruddy"), Definition(clauses=(RED,)), why="drafted", at="1")
    said = Decision(kind="scope", question="A crest?", answer="never", at="2")
    concept = with_version(
        with_decision(concept, said), Definition(clauses=(RED, CREST)), why="revised by an answer", at="3"
    )
    made = ConceptFolder(tmp_path / "concepts" / "ruddy")
    made.save(concept)
    made.save_pool([])
    return made


def edit(folder: ConceptFolder, **changes: object) -> list[str]:
    done = edit_concept("ruddy", HandEdits(**changes), home=folder.path.parents[1])  # type: ignore[arg-type]
    return [f"{clause.id} {clause.role}: {clause.text}" for clause in done.definition.active]


def test_clauses_are_changed_together_and_the_history_stays(folder: ConceptFolder) -> None:
    before = folder.load()
    assert edit(
        folder,
        add=["Positive: The bird sings."],
        reword={"c1": "The bird is red all over."},
        drop=["c2"],
        why="a walk in the park",
    ) == ["c3 necessary: The bird is red all over.", "c4 positive: The bird sings."]
    after = folder.load()
    assert after.versions[:2] == before.versions
    assert (after.current, after.versions[2].why) == (3, "by hand: a walk in the park")
    assert after.decisions[:-1] == before.decisions
    assert after.decisions[-1].kind == "hand"
    assert "drop negative: The bird has a crest." in after.decisions[-1].answer
    assert edit(folder, reword={"c3": "negative: The bird is red all over."})[0].startswith("c4")


def test_the_conversation_goes_on_with_it_and_may_not_undo_it_unasked(folder: ConceptFolder) -> None:
    edit(folder, add=["negative: The bird is small."])
    concept = folder.load()
    assert moved_on(concept, version=2, question=None)
    small = concept.definition.active[-1]
    assert against(DefinitionEdit(kind="drop", clause=small), concept) == ("You wrote version 3 yourself.",)
    edit(folder, answers={1: "only small ones"})
    assert moved_on(folder.load(), version=2, question=None), "an answer puts no other version in force"


def test_an_answer_is_put_right_and_counts_from_then_on(folder: ConceptFolder) -> None:
    done = edit_concept("Ruddy", HandEdits(answers={1: " only  small ones "}), home=folder.path.parents[1])
    concept = folder.load()
    assert (done.before, done.version) == (2, 2)
    assert [decision.answer for decision in concept.decisions] == ["never", "only small ones"]
    assert answers(concept) == [("A crest?", "only small ones")]
    assert answers_of("ruddy", home=folder.path.parents[1]) == (("A crest?", "only small ones"),)
    assert done.stale == ("Clauses that the former answer brought stay: c2. Change them if need be.",)
    drop = DefinitionEdit(kind="drop", clause=CREST)
    assert against(drop, concept) == (), "the former answer binds nobody any more"
    text = instructions_of(concept, concept.definition, labels={}, exemplars={}, described={})
    assert "A crest? **only small ones**" in text
    assert "never" not in text
    edit(folder, answers={1: ""})
    assert answers(folder.load()) == [("A crest?", "")]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"drop": ["c9"]}, "no clause 'c9'"),
        ({"drop": ["c1", "c2"]}, "No clause would be left"),
        ({"drop": ["c1"], "reword": {"c1": "x"}}, "changed twice"),
        ({"add": ["The bird sings."]}, "which role"),
        ({"add": ["necessary: "]}, "1 to 300 characters"),
        ({"add": ["necessary: " + "x" * 301]}, "has 301"),
        ({"add": ["necessary: the bird is  red"]}, "twice"),
        ({"reword": {"c1": "The bird is red."}}, "Nothing would change"),
        ({"answers": {2: "x"}}, "no question 2"),
        ({"answers": {1: "x"}, "drop": ["c9"]}, "no clause"),
        ({}, "Nothing would change"),
    ],
)
def test_what_cannot_be_changes_nothing_at_all(
    folder: ConceptFolder, changes: dict[str, object], says: str
) -> None:
    before = folder.load()
    with pytest.raises(InputError, match=says):
        edit(folder, **changes)
    assert folder.load() == before


def test_what_does_not_know_of_the_change_is_said(folder: ConceptFolder) -> None:
    concept = folder.load().model_copy(update={"blind_looks": (2,)})
    folder.save(concept)
    built = folder.path / "models" / "v2" / "build.json"
    built.parent.mkdir(parents=True)
    built.write_text(
        '{"concept": "Ruddy", "version": 2, "at": "t", "kind": "linear", "threshold": 0.5, "contenders": [], '
        '"annotated": 1, "unjudged": 0, "owner_labels": 1, "active": 0, "debated": 0, "overturned": 0, '
        '"calls": 0, "identity": "x"}'
    )
    stale = edit_concept("ruddy", HandEdits(drop=["c2"]), home=folder.path.parents[1]).stale
    assert any("version 3 has none yet" in told for told in stale), stale
    assert any("measurement is of version 2" in told for told in stale), stale
    stale = edit_concept("ruddy", HandEdits(answers={1: "x"}), home=folder.path.parents[1]).stale
    assert stale == ("Folders that were exported keep the former answer until they are exported again.",)


def test_a_label_is_changed_and_the_one_before_stays(folder: ConceptFolder, tmp_path: Path) -> None:
    images = [ImageFile(tmp_path / name / "1.jpg", name[0] * 64) for name in ("ax", "bx", "cx")]
    folder.save_pool(images)
    labels = tuple(
        Label(image=image.content_hash, value="in", split=split, reason="red", at="4")
        for image, split in zip(images, ("dev", "blind"), strict=False)
    )
    folder.save(with_labels(folder.load(), labels))
    edit(folder, labels={"ax/1.jpg": "OUT", "b" * 12: "unsure"}, why="a second look")
    after = folder.load().labels
    assert after[:2] == labels
    assert [(each.value, each.split, each.primed, each.reason) for each in after[2:]] == [
        ("out", "dev", True, "a second look"),
        ("unsure", "blind", False, "a second look"),
    ]
    for wrong in ({"1.jpg": "in"}, {"cx/1.jpg": "in"}, {"nosuch.jpg": "in"}, {"ax/1.jpg": "maybe"}):
        with pytest.raises(InputError):
            edit(folder, labels=wrong)
    assert folder.load().labels == after
