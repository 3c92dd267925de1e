"""Small records that the graphs pass between their nodes."""

from typing import Literal

from fieldmark.records import Origin, Prompt, QuestionSpec, Record, Statements, Vote
from fieldmark.tools.books.wording import descriptor_text

FailureKind = Literal["question", "unanswered", "limit", "endpoint"]
"""Why a question brought nothing: its answer was no good; the endpoint failed it, as it might not another
time; a limit or a dead endpoint kept it back."""


class Note(Statements):
    """What came of one question: what its answer states, or why there is nothing."""

    spec: QuestionSpec
    prompt_id: str = ""
    """Id and version of the prompt file; empty where nothing was asked."""
    model: str | None = None
    """The language model that answered, where it has a name."""
    failure: FailureKind | None = None
    reason: str = ""
    cached: bool = False

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The descriptors, worded as prompts of the class asked about."""
        origin = Origin(kind="descriptor", question=self.prompt_id or None, model=self.model)
        name = self.spec.classes[0]
        return tuple(
            Prompt(class_name=name, text=descriptor_text(name, descriptor), origin=origin)
            for descriptor in self.descriptors
        )


class Notebook(Record):
    """All notes so far, in the order of their rounds; kept in the array store, never in a checkpoint."""

    notes: tuple[Note, ...] = ()

    @property
    def votes(self) -> tuple[Vote, ...]:
        """Every vote of every note."""
        return tuple(vote for note in self.notes for vote in note.votes)

    @property
    def complaint(self) -> str:
        """Why the first question failed, where questions were asked and none was answered; else empty."""
        answered = any(note.failure is None for note in self.notes)
        return "" if answered or not self.notes else self.notes[0].reason

    def with_notes(self, more: tuple[Note, ...]) -> "Notebook":
        """This notebook with `more` at its end."""
        return Notebook(notes=self.notes + more)


LookFailure = Literal["refused", "unanswered", "unlisted", "limit", "endpoint"]
"""Why a look decided nothing: the model refused; it gave no usable answer, or the file could not be shown; it
named a class that was no candidate; a limit or a dead endpoint kept it back."""


class Look(Record):
    """What the vision-language model made of one image that was left open."""

    image: str
    """Content hash."""
    label: str | None = None
    """The candidate it chose; None where it chose none of them, or did not answer."""
    confidence: float | None = None
    rationale: str = ""
    failure: LookFailure | None = None


class Looks(Record):
    """All looks so far, in the order of the images; kept in the array store, never in a checkpoint."""

    looks: tuple[Look, ...] = ()
