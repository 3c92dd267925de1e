"""Results of questions asked side by side: their order, which are settled or kept back, and why."""

from collections.abc import Sequence
from typing import Literal

from fieldmark.agents.shared.notes import Note
from fieldmark.records import QuestionSpec


def in_plan_order(notes: Sequence[Note], planned: Sequence[QuestionSpec]) -> tuple[Note, ...]:
    """Order answers as they were planned, however they arrived, so that every rerun sees the same."""
    place = {spec.key: index for index, spec in enumerate(planned)}
    return tuple(sorted(notes, key=lambda note: place.get(note.spec.key, len(place))))


def settled(notes: Sequence[Note]) -> tuple[Note, ...]:
    """The notes of questions that are done with: answered, or failed for good.

    What a limit or a dead endpoint kept back stays askable, and with it what the endpoint left unanswered
    while it was dying. An endpoint that fails a question now and then does not stop the others.
    """
    open_still = ("limit", "endpoint", "unanswered") if halted(notes) else ()
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
    return "endpoint" if "endpoint" in failures or (failures == {"unanswered"} and len(notes) > 1) else None
