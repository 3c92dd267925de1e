"""The choices of an evaluation, as one record."""

from pydantic import Field

from fieldmark.records import Options

BASELINE = "clip"
CONTROL = "waffle"
"""Random words in the place of descriptors: what every method that asks a language model must beat."""


class EvalOptions(Options):
    """What is put into one table."""

    methods: tuple[str, ...] = ("all",)
    baseline: str = BASELINE
    seeds: int = Field(default=2, ge=1, le=100)
    """How often a method that draws something is run."""
    seed: int = 0
    """The first seed; of the aviary's world too."""
    shots: int = Field(default=4, ge=0, le=1000)
    """Labelled images a class, for methods that learn from some."""
    resamples: int = Field(default=10_000, ge=100)
    """Bootstrap resamples behind each interval."""

    @property
    def with_controls(self) -> tuple[str, ...]:
        """The methods that were named, with the two that every table carries: baseline and random words."""
        return (*self.methods, self.baseline, CONTROL)
