"""The choices of a simulation of owners, as one record."""

from typing import Literal

from pydantic import Field

from fieldmark.agents.build.options import LookKind
from fieldmark.records import Options

Control = Literal["name_only", "static_prompt", "same_labels_head", "random_boards", "no_conversation"]
CONTROLS: tuple[Control, ...] = (
    "name_only",
    "static_prompt",
    "same_labels_head",
    "random_boards",
    "no_conversation",
)
GuideBy = Literal["in-process", "http"]
Variant = Literal["exact", "flips5", "flips10", "boundary", "unsure", "terse", "midway", "rare"]
"""The owners' faults. "flips5" and "flips10" label 5% or 10% wrongly, at random; "boundary" a quarter of the
pictures that are hard to call; "unsure" is unsure about half of those; "terse" gives no reason, and answers
with an option or nothing; "midway" changes the rule after 30 labels. "exact" has none, nor has "rare", where
3% of the pictures are in."""


class SimulateOptions(Options):
    """What is simulated."""

    owners: tuple[str, ...]
    """Keys of the rules."""
    variant: Variant = "exact"
    """The owners' faults, or "rare": exact owners whose concepts hold for few pictures."""
    seed: int = 0
    """Decides pictures, draws and faults."""
    worlds: int = Field(default=1, ge=1, le=100)
    """Flocks that each owner talks about, one after the other, remembering nothing; drawn with the seeds from
    `seed` on."""
    pool: int = Field(default=3000, ge=200, le=50_000)
    """Pictures that the conversation and the build may use."""
    held_out: int = Field(default=600, ge=50, le=20_000)
    """Pictures, drawn apart, that everything is measured on by the rule."""
    annotate: int = Field(default=1200, ge=50)
    """Pictures that the annotator judges for a classifier."""
    boards: int = Field(default=12, ge=0)
    labels: int = Field(default=74, ge=0)
    """Labels outside of the blind test, repeats included, after which there is no further board."""
    blind: int = Field(default=100, ge=0)
    questions: int = Field(default=6, ge=0)
    mistakes: float = Field(default=0.06, ge=0, le=0.3)
    """Share of the features of a picture that the guide takes for something else."""
    looks: LookKind = "once"
    """How the annotator of a classifier looks at pictures, see `BuildOptions.looks`."""
    controls: tuple[Control, ...] = CONTROLS
    guide: GuideBy = "in-process"
    """Whether the guide is asked in the same process, or over HTTP as any language model: the answers are the
    same, and over HTTP they take much longer."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each world."""
        return tuple(range(self.seed, self.seed + self.worlds))

    def in_world(self, seed: int) -> "SimulateOptions":
        """The same in one world alone."""
        return self.model_copy(update={"seed": seed, "worlds": 1})
