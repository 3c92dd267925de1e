"""Unit vectors of texts, each distinct text encoded once, and how many images fit in one step."""

import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

import torch
from torch import Tensor

from fieldmark.errors import InputError, ModelError


class Rows(Protocol):
    """Vectors of images that need not be in memory: a tensor, or a file that is read block by block."""

    def __len__(self) -> int: ...

    def __getitem__(self, images: slice, /) -> Tensor:
        """Unit vectors [n, D] float32 of some images."""
        ...


Encode = Callable[[Sequence[str]], Tensor]
"""Texts to a float tensor [M, D]; rows need not be of unit length."""

STEP_ELEMENTS = 1 << 24
"""Elements of the largest temporary in one step over images (64 MiB of float32)."""
CACHE_ELEMENTS = 1 << 18
"""Elements that one core's cache holds (1 MiB of float32): a second pass over them costs little."""


@dataclass(frozen=True)
class TextVectors:
    """Distinct texts with their vectors, and where each group's texts are among them.

    Attributes:
        vectors: Unit text vectors [M, D], float32, one row per distinct text.
        group: Group of each occurrence [L], int64, ascending.
        text: Row in `vectors` of each occurrence [L], int64.
        sizes: How many texts each group has, duplicates counted, [G] float32.
    """

    vectors: Tensor
    group: Tensor
    text: Tensor
    sizes: Tensor


@dataclass(frozen=True)
class BlockCosines:
    """Cosines of images with the values of attributes [N, T, V], computed for whichever images are asked for.

    Attributes:
        images: Unit vectors of N images.
        values: A vector for each value [T, V, D] float32.
    """

    images: Rows
    values: Tensor

    @property
    def shape(self) -> torch.Size:
        """[N, T, V]."""
        return torch.Size((len(self.images), *self.values.shape[:2]))

    def __getitem__(self, images: slice) -> Tensor:
        """Cosines of some images [n, T, V] float32."""
        found = self.images[images].to(torch.float32) @ self.values.flatten(0, 1).T
        return found.unflatten(1, self.values.shape[:2])

    def mean(self, _: int = 0) -> Tensor:
        """Their mean over the images [T, V]: the cosine with the mean vector."""
        return (self.values @ mean_of(self.images)).to(torch.float32)


def mean_of(images: Rows) -> Tensor:
    """Mean of vectors [D] float32, added up in float64."""
    total = torch.zeros(images[slice(0, 1)].shape[1], dtype=torch.float64)
    for step in image_steps(len(images), len(total)):
        total += images[step].sum(0, dtype=torch.float64)
    return (total / len(images)).to(torch.float32)


def room(*shape: int, memory: int) -> Tensor:
    """An empty float32 tensor; where it takes more than `memory` bytes it is mapped from a temporary file.

    The file has no name any more once this returns, and goes with the tensor. What is mapped may count as
    memory of the process; the system takes it back where it needs it.

    Raises:
        InputError: The folder of temporary files has no room for it.
    """
    numbers = math.prod(shape)
    if 4 * numbers <= memory:
        return torch.empty(shape)
    with _temporary(4 * numbers) as file:
        return torch.from_file(file.name, shared=True, size=numbers, dtype=torch.float32).view(shape)


@contextmanager
def _temporary(size: int) -> Generator[IO[bytes]]:
    """An empty file whose bytes the disk has promised: a map of one that has holes ends the process."""
    with ExitStack() as closing:
        try:
            file = closing.enter_context(tempfile.NamedTemporaryFile(prefix="fieldmark-"))
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            folder = tempfile.tempdir or "of temporary files"
            raise InputError(
                f"The folder {folder} has no room for {size:,} bytes: {error}.",
                hint="Free as much, or name a folder on another disk in TMPDIR.",
            ) from error
        yield file


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length one, float32; an all-zero row stays zero."""
    return torch.nn.functional.normalize(vectors.to(torch.float32), dim=-1)


def encode_unit(texts: Sequence[str], encode: Encode) -> Tensor:
    """Unit float32 vectors [M, D] of texts, with the encoder's answer checked.

    Args:
        texts: Distinct texts; at least one.
        encode: The text encoder.

    Returns:
        Unit rows in the order of `texts`.

    Raises:
        ModelError: If the encoder does not return one row of finite numbers per text.
    """
    vectors = encode(texts)
    if vectors.ndim != 2 or vectors.shape[0] != len(texts):
        raise ModelError(
            f"The encoder returned shape {tuple(vectors.shape)} for {len(texts)} texts.",
            hint="It must return one row per text.",
        )
    if not bool(torch.isfinite(vectors).all()):
        raise ModelError(
            "The encoder returned text vectors that are not finite numbers.",
            hint="Try another precision, or check the model's weights.",
        )
    return unit(vectors)


def encode_groups(groups: Sequence[Sequence[str]], encode: Encode) -> TextVectors:
    """Encode every distinct text of several groups once.

    Args:
        groups: Texts of each group (of each class, for one); duplicates count as often as they occur.
        encode: The text encoder; called once with the distinct texts in order of first appearance.

    Returns:
        The vectors and the place of every occurrence.

    Raises:
        InputError: If there are no groups, or a group has no text.
        ModelError: If the encoder does not return one row per text.
    """
    if not groups:
        raise InputError("There are no classes to score.", hint="Give the prompts of at least one class.")
    for index, texts in enumerate(groups):
        if isinstance(texts, str):
            raise InputError(
                f"The prompts of class {index} are one string.", hint="Give a list of prompts per class."
            )
        if not texts:
            raise InputError(
                f"Class {index} has no prompt.", hint="Give every class at least one prompt, e.g. its name."
            )
    place: dict[str, int] = {}
    group: list[int] = []
    text: list[int] = []
    for index, texts in enumerate(groups):
        for item in texts:
            group.append(index)
            text.append(place.setdefault(item, len(place)))
    return TextVectors(
        vectors=encode_unit(list(place), encode),
        group=torch.tensor(group),
        text=torch.tensor(text),
        sizes=torch.tensor([float(len(texts)) for texts in groups]),
    )


def mean_vectors(texts: TextVectors, weights: Tensor | None = None) -> Tensor:
    """Mean of each group's unit vectors, **not** of unit length, float32 [G, D].

    Args:
        texts: From `encode_groups`.
        weights: Weight of each occurrence [L]; equal where not given. Each group's must sum to more
            than 0.
    """
    total = texts.vectors.new_zeros(len(texts.sizes), texts.vectors.shape[1])
    rows = texts.vectors[texts.text]
    if weights is None:
        return total.index_add_(0, texts.group, rows) / texts.sizes[:, None]
    weights = weights.to(torch.float32)
    share = torch.zeros_like(texts.sizes).index_add_(0, texts.group, weights)
    return total.index_add_(0, texts.group, rows * weights[:, None]) / share[:, None]


def image_steps(images: int, elements_per_image: int, *, most: int | None = None) -> Iterator[slice]:
    """Slices over images such that no temporary passes `STEP_ELEMENTS` elements, nor `most` where given."""
    elements = STEP_ELEMENTS if most is None else min(most, STEP_ELEMENTS)
    step = max(1, elements // max(1, elements_per_image))
    for start in range(0, images, step):
        yield slice(start, min(images, start + step))
