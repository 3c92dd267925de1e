"""Concepts at every stage for a browser to look at, made of records: no model is asked."""

from pathlib import Path

from fieldmark.agents.define.edits import diff_lines
from fieldmark.agents.define.waiting import WAITING, Waiting
from fieldmark.records import Clause, Definition, DefinitionEdit
from fieldmark.records.annotation import ClauseVerdict
from fieldmark.records.conversation import (
    BoardToLabel,
    ConversationQuestion,
    EditOffer,
    Flip,
    RevealedImage,
    ScopeQuestion,
    VerdictReveal,
)
from tests.unit.studio.studio_concepts import CLAUSES, made_build, made_concept

HINDERS = ("2 boards in a row that change nothing", "It ends after 12 more boards at the latest")


def made_concepts(place: Path) -> dict[str, str]:
    """The folder's name of a concept by what waits in it; "built" has a classifier and was measured."""
    built = made_concept(place, name="built")
    made_build(built)
    labelled = [label.image for label in built.load().labels if label.split == "dev"]
    found = {"built": built.path.name}
    for question in _questions(tuple(labelled)):
        folder = made_concept(place, name=f"with a {question.kind}")
        folder.write(WAITING, Waiting(question=question, version=2, hinders=HINDERS))
        concept = folder.load()  # its blind test waits
        labels = tuple(label for label in concept.labels if label.split == "dev")
        folder.save(concept.model_copy(update={"labels": labels}))
        found[question.kind] = folder.path.name
    return found


def _questions(images: tuple[str, ...]) -> tuple[ConversationQuestion, ...]:
    verdicts = (
        ClauseVerdict(clause="c1", finding="yes", p=0.9),
        ClauseVerdict(clause="c2", finding="no", p=0.2),
    )
    edit = DefinitionEdit(
        kind="add", clause=Clause(id="c3", role="negative", text="It is asleep."), why="You said so."
    )
    return (
        ScopeQuestion(
            turn="t1", question="Do drawings count?", options=("always", "never"), images=images[:4], of=6
        ),
        BoardToLabel(turn="t2", images=images[:5], hinders=HINDERS),
        VerdictReveal(
            turn="t3",
            number=1,
            ambiguity="the stripes",
            images=tuple(
                RevealedImage(
                    image=image,
                    owner="in",
                    call="out" if at else "in",
                    p=0.4,
                    rationale="A rationale.",
                    clauses=verdicts,
                )
                for at, image in enumerate(images[:3])
            ),
            clauses=CLAUSES,
        ),
        EditOffer(
            turn="t4",
            edit=edit,
            diff=diff_lines(Definition(clauses=CLAUSES), edit),
            flips=(Flip(image=images[0], owner="in", before="in", after="out"),),
            f1_before=0.8,
            f1_after=0.7,
            f1_before_ci=(0.5, 0.9),
            f1_after_ci=(0.4, 0.9),
            against=("Do drawings count? never",),
        ),
    )
