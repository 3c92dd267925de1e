"""The choices of a prompt search, as one record."""

from typing import Literal

from pydantic import Field, field_validator

from fieldmark.records import Options

Strategy = Literal["proapo", "random"]
FitnessName = Literal["entropy", "accuracy", "lexicographic"]


class OptimizeOptions(Options):
    """How a prompt search gathers, searches and stops."""

    noun: str = "object"
    """The generic word for all classes: a synonym of every one of them."""
    seed: int = 0
    """Decides every random choice of the search."""
    strategy: Strategy = "proapo"
    """The evolutionary search, or as many random books as a control."""
    fitness: FitnessName = "entropy"
    penalty: float = Field(default=0.0, ge=0)
    """What each unit of a book costs, in points of fitness: a guard against long books."""
    descriptor_samples: int = Field(default=3, ge=0, le=64)
    """Answers to the general question per class."""
    contrasts: int = Field(default=2, ge=0, le=16)
    """How often all classes are dealt into groups of look-alikes that are asked about."""
    contrast_size: int = Field(default=6, ge=2, le=12)
    """The most classes in such a group."""
    synonyms: int = Field(default=2, ge=0, le=6)
    """Other words that may stand for a class, beside name, last word and noun; 0 asks for none."""
    described_synonyms: int = Field(default=0, ge=0, le=6)
    """So many of them are also written with every descriptor, as the name is; the others stand alone."""
    domain_words: tuple[str, ...] | None = None
    """Words for the task that templates are varied with, beside the noun; None asks for them."""
    template_generations: int = Field(default=4, ge=0)
    """Generations of the template search; 0 keeps the plain template."""
    most_templates: int = Field(default=4, ge=1)
    """The most templates a unit is written in; each multiplies the texts to encode."""
    generations: int = Field(default=4, ge=0)
    """Generations for each group of classes."""
    passes: int = Field(default=4, ge=0)
    """How often the classes are grouped anew and searched."""
    folds: int = Field(default=0, ge=0)
    """Folds of the training images that choose the passes to make and what a unit costs; 0 for none."""
    keep: int = Field(default=4, ge=1)
    """Fittest candidates that a generation starts from."""
    operators: tuple[str, ...] = ()
    """Names of operators to run beside the default ones; see `operator_named`, and "reflect"."""
    reflections: int = Field(default=8, ge=0, le=256)
    """The most questions about confused classes before a pass, with the operator "reflect"."""
    most_units: int = Field(default=64, ge=1)
    """The most units a class may hold."""

    @field_validator("folds")
    @classmethod
    def _not_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves nothing to search by; give 2 or more, or 0 for none")
        return folds
