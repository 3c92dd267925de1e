"""Prompts and prompt books: the texts compared with images, and where each came from.

It knows nothing of how texts are made, encoded or scored.
"""

from typing import Literal

from pydantic import Field, model_validator

from fieldmark.records._base import Record

OriginKind = Literal["name", "template", "descriptor", "differential", "field_guide", "book"]


class Origin(Record):
    """Where a prompt came from."""

    kind: OriginKind
    question: str | None = None
    """Id and version of the question that brought it up, e.g. "describe.v1"."""
    model: str | None = None
    """The language model that answered."""
    attribute: str | None = None
    """The attribute it speaks of, where it speaks of one."""


class Prompt(Record):
    """One text compared with an image, for one class."""

    class_name: str
    text: str
    origin: Origin
    weight: float = 1.0


class PromptBook(Record):
    """Class → prompts, with where each came from: the portable result.

    `classes` gives the order of the score columns; a class may have no prompt.
    """

    format: Literal["fieldmark.book/1"] = "fieldmark.book/1"
    classes: tuple[str, ...]
    noun: str = "object"
    """The generic word for all classes ("bird"), used where a name is unknown to the encoder."""
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
