"""Prompts and prompt books: the texts compared with images, and where each came from."""

from typing import Literal

from pydantic import Field, model_validator

from fieldmark.records._base import Record

OriginKind = Literal["name", "template", "descriptor", "differential", "field_guide", "book"]
Pooling = Literal["mean_cosine", "prototype"]
"""How a class's prompts become its score: the mean of their cosines, or the cosine with their mean."""


class Origin(Record):
    """Where a prompt came from."""

    kind: OriginKind
    question: str | None = None
    """Id and version of the question that brought it up, e.g. "describe.v1"."""
    model: str | None = None
    """The language model that answered."""
    attribute: str | None = None
    """The attribute it speaks of, where it speaks of one."""
    file: str | None = None
    """Name of the file it was read from, where it came from one."""


class Prompt(Record):
    """One text compared with an image, for one class."""

    class_name: str
    text: str
    origin: Origin
    weight: float = Field(default=1.0, allow_inf_nan=False)
    """Its part in the class's prototype; of no account where cosines are averaged."""


class PromptBook(Record):
    """Class → prompts, with where each came from: the portable result.

    `classes` gives the order of the score columns; a class may have no prompt.
    """

    format: Literal["fieldmark.book/1"] = "fieldmark.book/1"
    classes: tuple[str, ...]
    noun: str = "object"
    """The generic word for all classes ("bird"), used where a name is unknown to the encoder."""
    pooling: Pooling = "mean_cosine"
    """The rule by which the book was found, or by which its authors score it. "mean_cosine" is the plain
    mean of the cosines (DCLIP's), "prototype" the cosine with the unit mean of weighted texts (CuPL's)."""
    prompts: tuple[Prompt, ...] = Field(default=())

    @model_validator(mode="after")
    def _prompts_name_known_classes(self) -> "PromptBook":
        known = set(self.classes)
        strangers = sorted({p.class_name for p in self.prompts} - known)
        if strangers:
            raise ValueError(f"prompts for classes that the book does not list: {strangers[:5]}")
        return self

    def texts(self, class_name: str) -> list[str]:
        """The prompts of one class, in order."""
        return [p.text for p in self.prompts if p.class_name == class_name]

    def by_class(self) -> list[list[Prompt]]:
        """The prompts of every class, in the order of `classes`."""
        own: dict[str, list[Prompt]] = {name: [] for name in self.classes}
        for prompt in self.prompts:
            own[prompt.class_name].append(prompt)
        return list(own.values())
