"""What a conversation about a concept and a build say of themselves while they go on."""

from typing import Literal

from fieldmark.records.annotation import Call
from fieldmark.records.conversation import ConversationProgress
from fieldmark.tools.runs.events import Event, Logged, Step


class PoolImagesMissing(Event):
    """Some files of a concept's pool are not there any more."""

    gone: int
    of: int
    first: str


class ClausesDrafted(Logged):
    """A concept has its first clauses."""

    line = "drafted"

    clauses: int
    questions: int
    by_name: bool
    """Whether the concept's name had to do, as no language model drafted any."""


class ImagesMined(Event):
    """Images worth a look were found in the pool."""

    images: int
    near_misses: int


class ImagesJudged(Step):
    """The annotator has labelled images."""


class VerdictsReady(Logged):
    """The annotator has labelled everything that was mined."""

    line = "judged"

    images: int
    calls: dict[Call, int]
    """Verdict → number of images."""


class VerdictsDoubted(Step):
    """Verdicts were searched for what the definition leaves open."""


class GapsFound(Logged):
    """What the definition leaves open is known."""

    line = "gaps"

    images: int
    gaps: int


class BoardReady(Logged):
    """A board is laid out for the owner to label."""

    line = "board"

    number: int
    images: int


class EditsProposed(Event):
    """Edits of the definition were proposed."""

    candidates: int


class EditsWeighed(Logged):
    """The proposed edits competed with the definition in force."""

    line = "weighed"

    candidates: int
    offered: bool


class BoardFinished(Logged):
    """A board is labelled, and its edits are decided."""

    line = "board_done"

    progress: ConversationProgress


class LimitStopped(Event):
    """A limit ends the conversation."""

    reason: str


class SampleGrown(Logged):
    """A build takes in more images, those that its classifier is unsure about."""

    line = "grown"

    round: int
    images: int


FittingPurpose = Literal["unsure", "disputed", "final"]
"""What heads are fitted for: to see where they are unsure, to find what to argue about, or to be kept."""


class HeadsFitted(Step):
    """One more of the heads that compete is fitted."""

    purpose: FittingPurpose


class ClassifierWriting(Event):
    """The classifier is fitted; its files are being written."""


class DebatesStarted(Logged):
    """The images on which annotator and classifier disagree most are about to be argued about."""

    line = "debates"

    images: int


class ImagesDebated(Step):
    """Images were argued about."""
