"""The `Encoder` protocol: maps images and texts to vectors of one space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldmark.cache.keys import content_key, digest
from fieldmark.records import EncoderUsage, SkippedInput
from fieldmark.tools.images.files import ImageFile

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Called with how many of how many inputs have been encoded."""


@dataclass(frozen=True)
class EncodedImages:
    """Vectors of images.

    Attributes:
        vectors: float32 `[N, D]` unit vectors; zeros where there is none.
        ok: bool `[N]`: whether the image has a vector. Rows without one must not be scored.
    """

    vectors: "torch.Tensor"
    ok: "torch.Tensor"


@dataclass(frozen=True)
class Features:
    """What the last layers of an image tower are given.

    Attributes:
        rows: float16 `[N, *shape]`, zeros where there are none; shape as `LastLayers.shape` says.
        ok: bool `[N]`: whether the image has features.
    """

    rows: "torch.Tensor"
    ok: "torch.Tensor"


_AT_ONCE = 1 << 13


def image_key(content_hash: str) -> str:
    """Key of an image's row in a vector store."""
    return content_key({"image": content_hash})


def unit_rows(rows: np.ndarray) -> "torch.Tensor":
    """Stored rows at unit length. Each row is computed alone: the other rows change no bit of it.

    Args:
        rows: float16 `[N, D]`.

    Returns:
        float32 `[N, D]`; a row of zeros stays one.
    """
    import torch  # not at the top: what a command was given is checked without it

    made = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _AT_ONCE):  # float64 takes four times the room of what is stored
        exact = rows[start : start + _AT_ONCE].astype(np.float64)
        lengths = np.sqrt((exact * exact).sum(axis=1, keepdims=True))
        made[start : start + _AT_ONCE] = exact / np.maximum(lengths, 1e-12)
    return torch.from_numpy(made)


class Encoder(Protocol):
    """A model that puts images and texts into one space, where cosine similarity compares them.

    Vectors are rounded to float16 before their first use and brought back to unit length in one fixed way, so
    that a run that computes them and one that finds them stored agree to the bit.
    """

    @property
    def name(self) -> str:
        """What the user called it; random weights are named as such."""
        ...

    @property
    def identity(self) -> str:
        """SHA-256 over all that determines a vector."""
        ...

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens of a text, its start and end included."""
        ...

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with (the exponential of the learned scale)."""
        ...

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random, so that no result means anything."""
        ...

    @property
    def reference(self) -> "torch.Tensor | None":
        """float32 `[R, D]` unit vectors of a pool of images shipped with the model, if any."""
        ...

    @property
    def usage(self) -> EncoderUsage:
        """What was encoded so far."""
        ...

    @property
    def failures(self) -> tuple[SkippedInput, ...]:
        """Image files that could not be encoded so far, with the reason."""
        ...

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Progress | None = None
    ) -> EncodedImages:
        """Encode images.

        Args:
            images: N files that were found.
            progress: Called with how far the images without a stored vector are.

        Returns:
            N vectors and which of them are there.

        Raises:
            NoImagesError: Not one of the images could be read.
            ModelError: The model cannot be loaded or run.
        """
        ...

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> "torch.Tensor":
        """Encode texts; one longer than the context is shortened by rule and counted.

        Args:
            texts: M texts.
            progress: Called with how far the texts without a stored vector are.

        Returns:
            float32 `[M, D]` unit vectors.

        Raises:
            ModelError: The model cannot be loaded or run.
        """
        ...


def scoring_identity(encoder: Encoder) -> str:
    """SHA-256 over all of an encoder that scores may depend on: its vectors, and its reference pool if any.

    The pool is no part of `Encoder.identity`: another pool leaves every stored vector as it is.
    """
    if encoder.reference is None:
        return encoder.identity
    pool = encoder.reference.contiguous().numpy()
    return content_key({"encoder": encoder.identity, "reference": [list(pool.shape), digest(pool.tobytes())]})
