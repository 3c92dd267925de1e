"""Prompts and prompt books: the texts compared with images, and where each came from."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self

from pydantic import Field, ValidationError, model_validator

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records._base import Record, path_of
from fieldmark.records.names import ClassName, one_name
from fieldmark.records.predictions import GivenLabel

if TYPE_CHECKING:
    from torch import Tensor

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

    class_name: ClassName
    text: str
    origin: Origin
    weight: float = Field(default=1.0, allow_inf_nan=False)
    """Its part in the class's prototype; of no account where cosines are averaged."""


class TextEncoder(Protocol):
    """The half of an encoder that a prompt book needs."""

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """Texts to float32 unit vectors `[M, D]`."""
        ...


class PromptBook(Record):
    """Class → prompts, with where each came from: the portable result.

    `classes` gives the order of the score columns; a class may have no prompt.
    """

    format: Literal["fieldmark.book/1"] = "fieldmark.book/1"
    classes: tuple[ClassName, ...]
    noun: str = "object"
    """The generic word for all classes ("bird"), used where a name is unknown to the encoder."""
    pooling: Pooling = "mean_cosine"
    """The rule by which the book was found, or by which its authors score it. "mean_cosine" is the plain
    mean of the cosines (DCLIP's), "prototype" the cosine with the unit mean of weighted texts (CuPL's)."""
    prompts: tuple[Prompt, ...] = Field(default=())
    labelled: tuple[GivenLabel, ...] = Field(default=())
    """The labelled images that the prompts were chosen by. They weigh the evidence of a run that classifies
    with the book, in which plain names then say nothing beside it."""
    held_out: tuple[GivenLabel, ...] = Field(default=())
    """Labelled images that had no part in choosing. They judge what the prompts are worth beside answers, and
    how sure a label is; of their own class they say nothing to a run."""

    @model_validator(mode="after")
    def _prompts_name_known_classes(self) -> "PromptBook":
        known = set(self.classes)
        if len(known) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"lists the class {twice!r} twice")
        unlisted = sorted({p.class_name for p in self.prompts} - known)
        if unlisted:
            raise ValueError(f"prompts for classes that the book does not list: {unlisted[:5]}")
        strange = sorted({str(each.label) for each in (*self.labelled, *self.held_out)} - known)
        if strange:
            raise ValueError(f"labelled images of classes that the book does not list: {strange[:5]}")
        return self

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a book, as `save` or a run writes it.

        Raises:
            InputError: The file cannot be read, or is no prompt book.
        """
        try:
            return cls.model_validate_json(read_bytes(path_of(path, "path")))
        except OSError as error:
            raise InputError(
                f"The prompt book {str(path)!r} cannot be read: {error.strerror}.",
                hint="A run leaves one, book.json.",
            ) from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            says = f"{where}: {first['msg']}" if where else first["msg"]
            raise InputError(f"{str(path)!r} is no prompt book: {says}.") from error

    def save(self, path: Path | str) -> None:
        """Write the book as JSON; the file is there whole, or not at all.

        Raises:
            InputError: The file cannot be written.
        """
        target = path_of(path, "path")
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            draft.replace(target)
        except OSError as error:
            raise InputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error

    def class_weights(self, encoder: TextEncoder) -> "Tensor":
        """The book as a linear classifier: `image_vectors @ class_weights.T` are scores `[N, C]`.

        A class's vector is the mean of its texts' unit vectors, brought to unit length: weighted where
        `pooling` is "prototype", plain where it is "mean_cosine". The mean of cosines itself is these scores
        times the length that the mean had before.

        Args:
            encoder: An `Encoder`, or anything with `encode_texts`.

        Returns:
            float32 unit vectors `[C, D]`, in the order of `classes`.

        Raises:
            InputError: A class has no prompt, or weights that make no mean.
        """
        import torch

        vectors = encoder.encode_texts([prompt.text for prompt in self.prompts])
        rows: list[Tensor] = []
        for name in self.classes:
            own = [at for at, prompt in enumerate(self.prompts) if prompt.class_name == name]
            plain = self.pooling == "mean_cosine"
            weights = [1.0 if plain else self.prompts[at].weight for at in own]
            if not own or min(weights) < 0 or not sum(weights) > 0:
                raise InputError(
                    f"The prompt book has no prompt with weight for {name!r}.",
                    hint="Give each class a prompt, and weights that are not negative.",
                )
            rows.append((vectors[own] * torch.tensor(weights)[:, None]).sum(0))
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)

    def __repr__(self) -> str:
        return f"PromptBook({len(self.classes):,} classes, {len(self.prompts):,} prompts, {self.pooling})"

    def texts(self, class_name: str) -> list[str]:
        """The prompts of one class, in order."""
        name = one_name(class_name)
        return [p.text for p in self.prompts if p.class_name == name]

    def by_class(self) -> list[list[Prompt]]:
        """The prompts of every class, in the order of `classes`."""
        own: dict[str, list[Prompt]] = {name: [] for name in self.classes}
        for prompt in self.prompts:
            own[prompt.class_name].append(prompt)
        return list(own.values())
