"""Answers are binding: an edit against one says so, and ends with the owner's no."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fieldmark.agents.define.binding import (
    BY_HAND,
    DRAFTED,
    NAME_ALONE,
    REVISED,
    TOO_MUCH,
    against,
    declined_edits,
    made_by,
)
from fieldmark.agents.define.edit_steps import decided
from fieldmark.agents.define.edits import FURTHER_LABELS, Unwanted, usable
from fieldmark.agents.define.state import DefineState
from fieldmark.prompts.refine import ProposedEdit
from fieldmark.records import Clause, Concept, Decision, Definition, DefinitionEdit, Label, Version
from fieldmark.records.conversation import EditOffer, Heard, OfferReply
from fieldmark.tools.concepts.changes import edited, rolled_back, with_decision, with_labels, with_version
from fieldmark.tools.concepts.folder import ConceptFolder

RED = Clause(id="c1", role="necessary", text="The bird is red.")
CREST = Clause(id="c2", role="negative", text="The bird has a crest.")
TAIL = Clause(id="c3", role="negative", text="The bird has a long tail.")
ANSWER = "A crest? You said: never."


def asked(concept: Concept, question: str, answer: str, at: str) -> Concept:
    return with_decision(concept, Decision(kind="scope", question=question, answer=answer, at=at))


def talked() -> Concept:
    """Drafted as red without a long tail; "never" to a crest brought one clause and took another."""
    concept = with_version(Concept(name="x"), Definition(clauses=(RED, TAIL)), why="drafted", at="1")
    concept = asked(concept, "A crest?", "never", "2")
    gone = TAIL.model_copy(update={"state": "dropped"})
    return with_version(concept, Definition(clauses=(RED, gone, CREST)), why=REVISED, at="3")


def drop(clause: Clause) -> DefinitionEdit:
    return DefinitionEdit(kind="drop", clause=clause)


def add(text: str, *, replaces: str | None = None) -> DefinitionEdit:
    clause = Clause(id="c9", role="negative", text=text, state="agreed")
    return DefinitionEdit(kind="reword" if replaces else "add", clause=clause, replaces=replaces)


@pytest.mark.parametrize(
    ("edit", "answers"),
    [
        (drop(CREST), (ANSWER,)),
        (add("The bird has a big crest.", replaces="c2"), (ANSWER,)),
        (add("the bird has a  long tail"), (ANSWER,)),
        (drop(RED), ()),
        (add("The bird is small."), ()),
    ],
)
def test_an_edit_against_an_answer_names_it(edit: DefinitionEdit, answers: tuple[str, ...]) -> None:
    assert against(edit, talked()) == answers


def declined(concept: Concept, edit: DefinitionEdit, at: str = "4") -> Concept:
    return with_decision(
        concept,
        Decision(
            kind="edit",
            question="",
            answer="declined: a crest never counts",
            edit=edit,
            against=against(edit, concept),
            at=at,
        ),
    )


def many_labels(concept: Concept, at: str) -> Concept:
    labels = [Label(image=f"i{n}", value="in", split="dev", at=at) for n in range(FURTHER_LABELS)]
    return with_labels(concept, labels)


def test_once_declined_no_edit_against_that_answer_comes_again_however_many_labels_follow() -> None:
    concept = many_labels(declined(talked(), drop(CREST)), "5")
    unwanted = Unwanted(concept)
    assert drop(CREST) in unwanted
    assert add("The bird has a big crest.", replaces="c2") in unwanted, "in other words, it is the same"
    assert add(TAIL.text) in unwanted
    assert drop(RED) not in unwanted
    other = ProposedEdit.model_validate(
        {"kind": "reword", "clause": "c2", "role": "", "text": "The bird has a huge crest.", "why": ""}
    )
    assert usable([other], concept) == ()
    assert len(usable([other], talked())) == 1


def test_another_edit_that_was_declined_comes_once_more() -> None:
    once = declined(talked(), add("The bird is small."))
    assert add("The bird is small.") in Unwanted(once)
    assert add("The bird is small.") not in Unwanted(many_labels(once, "5"))
    twice = many_labels(declined(many_labels(once, "5"), add("The bird is small."), "6"), "7")
    assert add("The bird is small.") in Unwanted(twice)


def test_a_later_edit_that_the_owner_accepts_frees_the_clause() -> None:
    concept = talked()
    after = with_version(concept, edited(concept.definition, drop(CREST)), why="better", at="5")
    back = with_version(after, edited(after.definition, add(CREST.text)), why="it was right", at="6")
    again = next(clause for clause in back.definition.active if clause.text == CREST.text)
    assert against(drop(again), back) == ()


def test_what_was_gone_back_to_is_what_an_answer_changed() -> None:
    back = asked(rolled_back(talked(), 1, at="4"), "Small ones?", "never", "5")
    small = Clause(id="c4", role="negative", text="The bird is small.")
    concept = with_version(back, Definition(clauses=(RED, TAIL, small)), why=REVISED, at="6")
    assert against(drop(small), concept) == ("Small ones? You said: never.",)
    assert against(drop(TAIL), concept) == ()


def test_what_the_owner_wrote_is_as_binding() -> None:
    concept = Concept(
        name="x",
        versions=(Version(number=1, definition=Definition(clauses=(RED,)), why=f"{BY_HAND}: red", at="1"),),
        current=1,
    )
    assert against(drop(RED), concept) == ("You wrote version 1 yourself.",)


def test_whoever_proposes_edits_is_told_what_was_declined() -> None:
    assert declined_edits(declined(talked(), drop(CREST))) == [
        ("Shall this edit be made: drop negative: The bird has a crest.", "no: a crest never counts")
    ]


async def test_a_decision_notes_the_answers_that_it_stood_by(tmp_path: Path) -> None:
    folder = ConceptFolder(tmp_path / "concept")
    folder.save(talked())
    offer = EditOffer(
        turn="t", edit=drop(CREST), diff=(), flips=(), f1_before=0.5, f1_after=0.6, against=(ANSWER,)
    )
    heard = Heard(turn="t", reply=OfferReply(accept=False), at="4")
    context = SimpleNamespace(folder=folder, concept=folder.load())
    state = DefineState(payload=offer, heard=heard, version=2)
    await decided(state, cast("Any", SimpleNamespace(context=context)))
    assert folder.load().decisions[-1].against == (ANSWER,)
    assert drop(CREST) in Unwanted(folder.load())


@pytest.mark.parametrize(
    ("why", "maker"),
    [
        (DRAFTED, "the language model"),
        (NAME_ALONE, "Fieldmark, without a language model"),
        (REVISED, "the language model, after your answer"),
        (f"{BY_HAND}: too narrow", "you"),
        ("static prompt", ""),
    ],
)
def test_a_version_is_of_whom_its_record_names(why: str, maker: str) -> None:
    version = Version(number=1, definition=Definition(clauses=(RED,)), why=why, at="5")
    assert made_by(version, talked()) == maker


@pytest.mark.parametrize(
    ("why", "answer", "maker"),
    [
        ("two of yours", "accepted: as it is", "the language model, accepted by you"),
        ("two of yours", "accepted in other words", "the language model, accepted in other words by you"),
        (TOO_MUCH, "accepted", "Fieldmark, accepted by you"),
    ],
)
def test_an_edit_is_of_who_proposed_and_who_accepted_it(why: str, answer: str, maker: str) -> None:
    edit = drop(TAIL).model_copy(update={"why": why})
    concept = with_decision(talked(), Decision(kind="edit", question=why, answer=answer, edit=edit, at="5"))
    version = Version(number=3, definition=Definition(clauses=(RED,)), why=why, at="5")
    assert made_by(version, concept) == maker
