"""What a job does, in words and counts, made of the events that it told."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fieldmark.app.jobs.event_log import ToldEvent
from fieldmark.tools.runs import concept_events, events
from fieldmark.tools.runs.events import Event, Step

LEAST_SEEN_S = 3.0
"""Seconds of a stage before its speed says anything."""
FITTING = {
    "unsure": "Fitting trial classifiers, to see where they are unsure",
    "disputed": "Fitting trial classifiers, to find what to argue about",
    "final": "Fitting the classifiers that compete",
}
WORDS: dict[type[Event], str] = {
    events.BytesFetched: "Fetching the model that looks at images",
    events.EncodingStarted: "Looking at the images",
    events.ImagesEncoded: "Looking at the images",
    concept_events.ClausesDrafted: "Drafting the definition",
    concept_events.ImagesMined: "Looking for images",
    concept_events.ImagesJudged: "Judging images by the definition",
    concept_events.VerdictsDoubted: "Looking for what the definition leaves unclear",
    concept_events.EditsProposed: "Trying changes of the definition",
    concept_events.DebatesStarted: "Arguing about doubtful images",
    concept_events.ImagesDebated: "Arguing about doubtful images",
    concept_events.ClassifierWriting: "Writing the classifier",
    events.QuestionAnswered: "Asking the language model",
    events.LookingStarted: "Showing images to the model",
    events.OpenImagesSeen: "Showing images to the model",
    events.RoundSummary: "Comparing",
}
"""What the events of each kind say is being done."""


@dataclass
class WorkStage:
    """One part of the work.

    Attributes:
        words: What is done.
        began: When, in seconds since 1970.
        last: When it last told something.
        done: Steps done; 0 where they are not counted.
        of: How many there are; None where that is not known.
    """

    words: str
    began: float
    last: float
    done: int = 0
    of: int | None = None
    _first: tuple[float, int] | None = None

    @property
    def left_s(self) -> float | None:
        """Seconds that it still takes at its speed so far; None where that cannot be told."""
        if self._first is None or not self.of:
            return None
        began, at = self._first
        if self.last - began < LEAST_SEEN_S or self.done <= at:
            return None
        return (self.of - self.done) * (self.last - began) / (self.done - at)

    def count(self, event: Step, at: float) -> None:
        """Take a count in; a smaller one than before begins anew."""
        if self._first is None or event.done < self._first[1]:
            self._first = at, event.done  # what was kept from before comes at once, and tells no speed
        self.done, self.of = event.done, event.of


@dataclass
class WorkStages:
    """All parts so far.

    Attributes:
        parts: In the order in which they began; the last one goes on, or went on last.
        notes: What the one who waits should know.
    """

    parts: list[WorkStage] = field(default_factory=list[WorkStage])
    notes: list[str] = field(default_factory=list[str])


def stages_of(told: Iterable[ToldEvent]) -> WorkStages:
    """The parts of the work that its events tell of."""
    found = WorkStages()
    for each in told:
        if note := _note(each.event):
            found.notes.append(note)
        words = _words(each.event)
        if words is None:
            continue
        now = found.parts[-1] if found.parts else None
        if now is None or now.words != words:
            now = WorkStage(words, began=each.at, last=each.at)
            found.parts.append(now)
        now.last = each.at
        if isinstance(each.event, Step):
            now.count(each.event, each.at)
        elif isinstance(each.event, events.QuestionAnswered):
            now.done += 1
    return found


def _words(event: Event) -> str | None:
    if isinstance(event, concept_events.HeadsFitted):
        return FITTING[event.purpose]
    return WORDS.get(type(event))


def _note(event: Event) -> str:
    match event:
        case concept_events.PoolImagesMissing():
            return f"{event.gone:,} of the {event.of:,} images are not there any more and are passed over."
        case concept_events.SampleGrown():
            return (
                f"Round {event.round}: {event.images:,} more images are judged, as it is unsure about them."
            )
        case concept_events.LimitStopped():
            return event.reason
        case events.NounNotFound():
            return "Which word fits all classes could not be asked."
        case _:
            return ""
