"""What is advised for a set of images, and the figures behind it."""

from typing import Literal

from pydantic import Field

from fieldmark.records import Record

Means = Literal["names", "answers", "labels"]


class Way(Record):
    """One way to classify the images, as it did on those that are labelled. Fractions are in 0..1."""

    means: Means
    """What it takes: the class names alone, a language model's answers, or labelled images."""
    method: str
    """The method of the table that stands for it."""
    shots: int = 0
    """Labelled images a class that it was given."""
    top1: float
    ci95: tuple[float, float]
    """Classes resampled, each with all its images."""
    behind: float
    """Top-1 of the best way minus its own, on the same images."""
    behind_ci95: tuple[float, float]
    questions: int = 0

    @property
    def in_words(self) -> str:
        """What it takes, in words."""
        if self.means == "names":
            return "class names alone"
        if self.means == "answers":
            return "a language model's answers"
        return "1 labelled image a class" if self.shots == 1 else f"{self.shots} labelled images a class"


class KnownName(Record):
    """How well the encoder tells a class by its name."""

    class_name: str
    right: float
    """Share of its images that the name alone labels rightly."""
    images: int


class SeenAttribute(Record):
    """How well the encoder sees an attribute that the language model named."""

    attribute: str
    right: float
    """Share of the images in which it speaks for the true class against the nearest rival; 0.5 is chance."""
    images: int
    """Images about which it said anything of both."""


class Advice(Record):
    """What a set of images needs."""

    format: Literal["fieldmark.advice/1"] = Field(default="fieldmark.advice/1", serialization_alias="schema")
    data: str
    images: int
    """Labelled images that were held out to measure on."""
    classes: int
    ways: tuple[Way, ...]
    """From the cheapest to the dearest."""
    chosen: Way
    """The cheapest that is not clearly worse than the best: within one standard error of the difference."""
    names: tuple[KnownName, ...]
    """Every class, those whose names say least first."""
    attributes: tuple[SeenAttribute, ...] = ()
    """Those that were said of twelve images or more, the least seen first."""
    notes: tuple[str, ...] = ()
    run: str

    @property
    def unknown(self) -> tuple[KnownName, ...]:
        """Classes of which the name alone finds fewer than half of the images."""
        return tuple(each for each in self.names if each.right < 0.5)
