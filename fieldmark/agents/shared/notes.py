"""Notes of what answers state: their order, which questions are settled or kept back, and why."""

from collections.abc import Sequence
from typing import Literal

from fieldmark.records import AnswerStatements, AttributeVote, Origin, Prompt, QuestionSpec, Record
from fieldmark.tools.books.wording import descriptor_text

FailureKind = Literal["question", "unanswered", "limit", "busy", "endpoint"]
"""Why a question brought nothing: its answer was no good; the endpoint failed it, as it might not another
time; a limit, or an endpoint that asked for a long pause or is gone, kept it back."""


class Note(AnswerStatements):
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
    def votes(self) -> tuple[AttributeVote, ...]:
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


def in_plan_order(notes: Sequence[Note], planned: Sequence[QuestionSpec]) -> tuple[Note, ...]:
    """Order answers as they were planned, however they arrived, so that every rerun sees the same."""
    place = {spec.key: index for index, spec in enumerate(planned)}
    return tuple(sorted(notes, key=lambda note: place.get(note.spec.key, len(place))))


def settled(notes: Sequence[Note]) -> tuple[Note, ...]:
    """The notes of questions that are done with: answered, or failed for good.

    What a limit or a dead endpoint kept back stays askable, and with it what the endpoint left unanswered
    while it was dying. An endpoint that fails a question now and then does not stop the others.
    """
    open_still = ("limit", "busy", "endpoint", "unanswered") if halted(notes) else ()
    return tuple(note for note in notes if note.failure not in open_still)


def kept_back(notes: Sequence[Note], planned: Sequence[QuestionSpec]) -> tuple[QuestionSpec, ...]:
    """The questions of a fan-out that were not asked, as they were planned."""
    asked = {note.spec.key for note in settled(notes)}
    return tuple(spec for spec in planned if spec.key not in asked)


def halted(notes: Sequence[Note]) -> Literal["budget", "endpoint"] | None:
    """What kept questions of a fan-out back, if anything; an endpoint that answers none of several does."""
    failures = {note.failure for note in notes}
    if "limit" in failures:
        return "budget"
    gone = failures & {"busy", "endpoint"} or (failures == {"unanswered"} and len(notes) > 1)
    return "endpoint" if gone else None
