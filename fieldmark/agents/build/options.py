"""The choices of a build, as one record."""

from typing import Literal

from pydantic import Field

from fieldmark.records import Options, Words

Way = Literal["once", "examples", "steps", "samples"]
LookKind = Literal[Way, "choose"]


class BuildOptions(Options):
    """How a classifier is built."""

    annotate: int = Field(default=1500, ge=8)
    """Images chosen to be judged. Those that the owner labelled are judged besides: they show how far the
    annotator can be trusted. Most have their verdict from the conversation."""
    by_chance: float = Field(default=0.5, gt=0, lt=1)
    """Share of them that is drawn from the pool at random. Calibration and threshold use these alone."""
    rounds: int = Field(default=2, ge=0)
    """Rounds in which images are added that the classifier of the moment is unsure about."""
    active: float = Field(default=0.25, ge=0, lt=1)
    """Share of all images that those rounds may take."""
    debates: int = Field(default=0, ge=0)
    """The most images that are argued about: those on which classifier and annotator disagree most. Each
    takes three to six questions, and where it was measured they were worth nothing."""
    owner_weights: tuple[float, ...] = Field(default=(3.0, 12.0, 50.0), min_length=1)
    """What a label of the owner may count in fitting, where a verdict counts at most 1: the least that does
    as well as any on labels held out is taken. The less annotator and owner agree, the more it is."""
    looks: LookKind = "once"
    """How the annotator looks at an image: once; with up to eight of the owner's labelled images before it
    ("examples"); in steps, a caption first, then clause by clause, then all weighed ("steps"); three times,
    voting ("samples"); or whichever of these the owner's labels speak for ("choose")."""
    words: Words | None = None
    """Other words for the annotator's question and its clauses; None for the shipped ones."""
    seed: int = 0
