"""Weakens an encoder on purpose: noise on its vectors, and directions that its images no longer show."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldmark.cache.keys import content_key, digest
from fieldmark.errors import InputError
from fieldmark.records import EncoderUsage, SkippedInput
from fieldmark.tools.clip.encoder import EncodedImages, Encoder, Progress
from fieldmark.tools.images.files import ImageFile


@dataclass(frozen=True, kw_only=True)
class Weakness:
    """How an encoder is weakened.

    Attributes:
        image_noise: S in v' = unit(v + S·g) with g ~ N(0, I/D), drawn from the hash of the image's content.
            At 1 noise and signal are of equal length.
        text_noise: The same for texts, drawn from the hash of the text.
        blind: Texts in pairs or groups whose differences images no longer show: each group's vectors, less
            their mean, span directions that are projected out of image vectors. The loss is shared by whole
            classes.
    """

    image_noise: float = 0.0
    text_noise: float = 0.0
    blind: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("image_noise", self.image_noise), ("text_noise", self.text_noise)):
            if not 0 <= value < float("inf"):
                raise InputError(f"{name} is a finite number from 0 up, not {value}.")

    @property
    def any(self) -> bool:
        """Whether anything is weakened at all."""
        return bool(self.image_noise or self.text_noise or self.blind)


class WeakenedEncoder:
    """An encoder with weaker eyes, for tests of how a set-up bears them.

    The same image or text always gets the same noise, whatever else is encoded with it. Stored vectors stay
    those of the encoder inside; its reference pool is weakened as its images are.

    Args:
        inner: The encoder.
        weakness: What is taken from it.
    """

    def __init__(self, inner: Encoder, weakness: Weakness) -> None:
        self._inner = inner
        self._weakness = weakness
        self._away = _directions(inner, weakness.blind)
        self._reference: Tensor | None = None

    @property
    def name(self) -> str:
        """The name of the encoder inside, and that it was weakened."""
        return f"{self._inner.name} (weakened)" if self._weakness.any else self._inner.name

    @property
    def identity(self) -> str:
        """SHA-256 over the encoder inside and what was taken from it."""
        weak = self._weakness
        return content_key(
            {
                "encoder": self._inner.identity,
                "image_noise": weak.image_noise,
                "text_noise": weak.text_noise,
                "blind": [list(group) for group in weak.blind],
            }
        )

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return self._inner.width

    @property
    def context_length(self) -> int:
        """Tokens of a text, its start and end included."""
        return self._inner.context_length

    @property
    def logit_scale(self) -> float:
        """The trained scale, which weaker eyes do not keep."""
        return self._inner.logit_scale

    @property
    def random_weights(self) -> bool:
        """Whether the weights inside are random."""
        return self._inner.random_weights

    @property
    def usage(self) -> EncoderUsage:
        """What the encoder inside encoded so far."""
        return self._inner.usage

    @property
    def failures(self) -> tuple[SkippedInput, ...]:
        """Image files that could not be encoded so far, with the reason."""
        return self._inner.failures

    @property
    def reference(self) -> Tensor | None:
        """float32 `[R, D]` unit vectors of the reference pool, weakened row by row."""
        rows = self._inner.reference
        if rows is None:
            return None
        if self._reference is None:
            seeds = [digest(row.numpy().tobytes()) for row in rows]
            self._reference = self._weaken_images(rows, seeds)
        return self._reference

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Progress | None = None
    ) -> EncodedImages:
        """Encode images and weaken their vectors; see `Encoder.encode_images`."""
        found = self._inner.encode_images(images, progress=progress)
        vectors = self._weaken_images(found.vectors, [image.content_hash for image in images])
        return EncodedImages(vectors=vectors * found.ok[:, None], ok=found.ok)

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> Tensor:
        """Encode texts and weaken their vectors; see `Encoder.encode_texts`."""
        vectors = self._inner.encode_texts(texts, progress=progress)
        if not self._weakness.text_noise:
            return vectors
        return _unit(vectors + _noise([f"text {text}" for text in texts], vectors, self._weakness.text_noise))

    def _weaken_images(self, vectors: Tensor, seeds: Sequence[str]) -> Tensor:
        if self._away is not None:
            vectors = _unit(vectors - (vectors @ self._away) @ self._away.T)
        if self._weakness.image_noise:
            vectors = _unit(
                vectors + _noise([f"image {seed}" for seed in seeds], vectors, self._weakness.image_noise)
            )
        return vectors


def weakened(encoder: Encoder, weakness: Weakness) -> Encoder:
    """The encoder with a weakness, or the encoder itself where nothing is taken from it."""
    return WeakenedEncoder(encoder, weakness) if weakness.any else encoder


def _directions(inner: Encoder, groups: Sequence[Sequence[str]]) -> Tensor | None:
    """An orthonormal basis `[D, R]` of what sets the texts of each group apart; None without a group."""
    apart: list[Tensor] = []
    for group in groups:
        if len(group) < 2:
            raise InputError("A blind group needs two texts or more, to say what is not seen.")
        rows = inner.encode_texts(list(group))
        apart.append(rows - rows.mean(0))
    if not apart:
        return None
    _, sizes, basis = torch.linalg.svd(torch.cat(apart), full_matrices=False)
    return basis[sizes > 1e-4 * sizes[0]].T.contiguous()


def _noise(seeds: Sequence[str], like: Tensor, size: float) -> Tensor:
    """Gaussian rows of expected length `size` `[N, D]`, each drawn from the hash of its own seed."""
    width = like.shape[1]
    rows = np.empty((len(seeds), width), dtype=np.float32)
    for place, seed in enumerate(seeds):
        number = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        rows[place] = np.random.default_rng(number).standard_normal(width, dtype=np.float32)
    return torch.from_numpy(rows).to(like) * (size / width**0.5)


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=1)
