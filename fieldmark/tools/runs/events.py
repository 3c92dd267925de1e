"""What a run says of itself while it goes on: one small record an event, and the callback that takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from fieldmark.records import Record, Usage


class Event(Record):
    """Something that happened. A callback shows the events it knows and passes over the others."""


Progress = Callable[[Event], None]
"""Called with every event; shows progress, never decides anything."""


def no_progress(event: Event) -> None:
    """A `Progress` that drops every event."""


class Step(Event):
    """One more of a known number of steps is done."""

    done: int
    of: int


class Logged(Event):
    """An event that the run's folder keeps too, as a line of `events.jsonl`."""

    line: ClassVar[str]
    """The line's `event`."""


# ---------------------------------------------------------------- any run


class RunOpened(Event):
    """A run has its folder, a new one or that of the run it goes on with."""

    path: Path


class RunDropped(Event):
    """A run failed before it had done anything; its folder is gone again."""

    path: Path


class EncodingStarted(Event):
    """Images and texts go to the encoder; what is cached comes back at once."""

    images: int
    texts: int


class ImagesEncoded(Step):
    """Images have their vectors."""


class ShardsEncoded(Step):
    """So many shards of a pool are there."""


class BytesFetched(Step):
    """Bytes of a model's weights have come from the hub."""


class ModelsClosed(Event):
    """The models of a conversation or a build are closed; what was spent on them, together."""

    usage: Usage


class QuestionAnswered(Event):
    """The language model answered a question."""

    kind: str
    """The prompt's name: "describe", "pair", …"""
    classes: tuple[str, ...]
    """The classes that the question is about."""
    cached: bool


class StepFailed(Event):
    """A question brought no usable answer, or something else is left out for a reason."""

    kind: str
    """The prompt's name, or what is left out: "build", "exemplar"."""
    reason: str
    code: str = ""
    """The reason in one word, where it has one: what is counted."""
    classes: tuple[str, ...] = ()


class BatchStatus(Step):
    """How far a batch of questions is at the service that answers it."""

    batch: str
    """Its name there."""
    status: str


class BatchResults(Event):
    """The results of batches were taken."""

    taken: int
    """Those with a usable answer."""
    bad: dict[str, int]
    """Those without, by the reason."""
    unreadable: int
    """Lines that are no results."""


class RunFinished(Logged):
    """The run is over."""

    line = "finished"

    stop_reason: str | None


# ---------------------------------------------------------------- resolve


class NounNotFound(Event):
    """Which noun fits all classes was asked in vain."""

    reason: str


class RoundPlanned(Logged):
    """The questions of the next round are chosen."""

    line = "planned"

    round: int
    questions: int


class ViewWorth(Record):
    """What names and answers were worth on these images, as the evidence rule estimates it without labels."""

    known_names: float
    """Mean belief that the encoder knows a class's name, 0 to 1."""
    votes_accuracy: float | None = None
    """Share of images that the answers alone label rightly; None before there are any."""
    votes_weight: float = 0.0
    """What the table rule's scores were multiplied by."""
    prior_trust: float | None = None
    """Share of images that the prior seems to be right about; None without a prior."""
    repeated: float | None = None
    """How much pictures of a group repeat each other, 0 to 1; None where no groups were used."""
    taken_apart: int = 0
    """Images of groups that were taken apart, as they contradict each other."""
    judges: int = 0
    """Images that judged a book."""


class RoundSummary(Logged):
    """One pass of triage."""

    line = "triaged"

    round: int
    questions: int
    resolved: int
    open: int
    rejected: int
    candidates: int
    """Candidates left over all images."""
    attributes: int = 0
    views: ViewWorth | None = None
    """None where another rule scores."""
    scores: str = ""
    """Hash of the class scores `[N, C]`."""


class LabelsTaken(Logged):
    """A run that had ended was scored anew with what people said of its images."""

    line = "labelled"

    labels: int
    open: int


class LookingStarted(Event):
    """A vision-language model is about to see images: those still open, or all that it is to label."""

    images: int


class OpenImagesSeen(Step):
    """A vision-language model has seen some of them."""


class WordsTried(Step):
    """So many questions of a search for words are answered, of the most that it may take."""


class LookingStopped(Event):
    """The vision-language model cannot be asked any more."""

    reason: str


class LookingFinished(Logged):
    """The vision-language model has seen all the open images that it could."""

    line = "looked"

    images: int
    decided: int
    kept_back: int
    """Images that a limit or a dead endpoint kept from the model."""


# ---------------------------------------------------------------- optimize


class GenerationScored(Event):
    """One generation of the prompt search is scored."""

    number: int
    stage: str
    """"templates", "sampling" or "classes"."""
    fitness: float
    """Of the best candidate so far."""
    scored: int
    """Candidates scored in this generation."""
    candidates: int
    """Candidates scored so far."""
    texts: int
    """Texts encoded so far."""


class FoldSearchStarted(Event):
    """One of a fold's searches starts; numbers count from 1."""

    number: int
    of: int
    search: int
    searches: int


class ReflectionFinished(Event):
    """The language model was shown what the best book confuses."""

    questions: int
    failed: int
    units: int
    """Texts that are new to the search."""
    ended: str
    """Why no more could be asked; empty where nothing stopped it."""


class CeilingSearchStarted(Event):
    """A search on the test images starts, for the accuracy that a book could reach at best."""


# ---------------------------------------------------------------- measurements


class WorldStarted(Event):
    """The demo turns to a world; numbers count from 1."""

    number: int
    of: int
    seed: int


class PicturesDrawn(Step):
    """Pictures of the aviary were drawn."""


class RungStarted(Event):
    """The demo turns to a rung of its ladder."""

    name: str


class RobustnessStarted(Event):
    """The demo turns to a smaller pool, and to one image at a time."""


class SettingStarted(Event):
    """An evaluation turns to a setting."""

    name: str


class MethodStarted(Event):
    """An evaluation turns to a method; numbers count from 1."""

    number: int
    of: int
    name: str
    key: str
    seed: int
    doing: str
    """"measured", "taken_over" or "left_out"."""


class TableStarted(Event):
    """An evaluation puts its table together."""


class OwnerFinished(Event):
    """A simulated owner is done."""

    number: int
    of: int
    name: str
