"""What came of writing labelling instructions, and how well they are followed."""

from typing import Literal

from pydantic import Field

from fieldmark.records import Record


class Reader(Record):
    """How well somebody labels who was shown something. Fractions are in 0..1."""

    shown: Literal["names", "instructions", "shuffled"]
    """The names of the classes alone; the instructions; these under the names of other classes (control)."""
    right: float
    """Share of labels that agree with those given."""
    ci95: tuple[float, float]
    ahead: float = 0.0
    """Share right minus that by names alone, on the same images."""
    ahead_ci95: tuple[float, float] = (0.0, 0.0)
    kappa: float | None = None
    """Cohen's, of a concept, on what was judged; None where it is undefined."""
    unjudged: int | None = None
    """Images of a concept that were called neither in nor out: they are not right, and not part of kappa."""


class WrittenInstructions(Record):
    """Labelling instructions of a set or a concept."""

    format: Literal["fieldmark.instructions-written/1"] = Field(
        default="fieldmark.instructions-written/1", serialization_alias="schema"
    )
    data: str
    classes: int
    labels: int
    """Labelled images that they were written from."""
    marks: int
    corrected: int
    """Marks in which labelled images overruled the language model."""
    scored: int = 0
    """Other labelled images, on which they were scored."""
    readers: tuple[Reader, ...] = ()
    notes: tuple[str, ...] = ()
    run: str
    """The folder: `instructions.md`, `instructions.html`, `pictures/`."""
