"""How far a resolve run is: what its checkpoints hold."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from fieldmark.agents.shared.notes import Note
from fieldmark.records import QuestionSpec, Record, StopReason
from fieldmark.tools.runs.events import RoundSummary


def collect(old: list[Note], new: list[Note] | None) -> list[Note]:
    """Append what a fan-out brings; `None` empties the list once its notes are in the notebook."""
    return [] if new is None else old + new


class ResolveState(BaseModel):
    """What a checkpoint holds: names, hashes, counts and small records; never arrays or clients."""

    model_config = ConfigDict(frozen=True)

    book: str = ""
    """Hash of the prompt book of the first look."""
    shortlist: str = ""
    """Hash of the classes that each image is scored for `[N, K]`, for a pool too large to score it for all C.
    "" otherwise. Where there is one, all arrays of images and classes are `[N, K]`, in these columns."""
    first: str = ""
    """Hash of the first look's class probabilities `[N, C]`."""
    scores: str = ""
    """Hash of the latest class scores `[N, C]`."""
    temperature: float = 1.0
    candidates: str = ""
    """Hash of the candidates `[N, C]` bool: which classes each image may still be."""
    earlier: str = ""
    """Hash of the candidates of the round before: those that the scores were made within."""
    admitted: str = ""
    """Hash of the first look's candidates: no later round admits a class that it ruled out."""
    notebook: str = ""
    """Hash of all answers so far."""
    plan: tuple[QuestionSpec, ...] = ()
    kept_back: tuple[QuestionSpec, ...] = ()
    """Questions of the last round that a limit or a dead endpoint kept back; a resumed run asks them."""
    fresh: Annotated[list[Note], collect] = []
    """Answers of the fan-out under way."""
    round: int = 0
    """Rounds of follow-up questions done."""
    history: tuple[RoundSummary, ...] = ()
    halted: Literal["budget", "endpoint"] | None = None
    """Why questions of the last fan-out could not be asked; cleared when a run is resumed."""
    stop_reason: StopReason | None = None
    shows: bool = False
    """Whether open images are shown to a vision-language model in the end."""
    labels: str = ""
    """Hash of the labels of people that the scores hold; "" without any."""
    looks: str = ""
    """Hash of what the vision-language model made of the open images; "" where it was shown none."""
    looks_kept_back: int = 0
    """Open images that a limit or a dead endpoint kept from it; a resumed run shows them."""


class Batch(BaseModel):
    """The questions that one task of a fan-out asks."""

    model_config = ConfigDict(frozen=True)

    specs: tuple[QuestionSpec, ...]


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
