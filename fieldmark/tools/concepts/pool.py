"""A concept's pool: its images with their vectors, and exact search over all of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.clip.encoder import Encoder, Progress
from fieldmark.tools.images.files import ImageFile

BLOCK = 1 << 14
"""Rows that one matrix product takes at a time: some ten megabytes for a few queries."""


@dataclass(frozen=True)
class Hits:
    """The best rows for each query, best first.

    Attributes:
        scores: float32 `[Q, K]` cosines.
        rows: int64 `[Q, K]` places in the pool.
    """

    scores: Tensor
    rows: Tensor


@dataclass(frozen=True)
class ImagePool:
    """Images and their vectors, row by row; each picture stands once.

    Attributes:
        images: N files.
        vectors: float32 `[N, D]` unit vectors.
    """

    images: tuple[ImageFile, ...]
    vectors: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each picture, by content hash."""
        return {image.content_hash: row for row, image in enumerate(self.images)}

    def rows(self, hashes: Collection[str]) -> list[int]:
        """The rows of images, in order. An image that is not in the pool is left out."""
        return [self.row_of[name] for name in hashes if name in self.row_of]

    def search(self, queries: Tensor, k: int, *, without: Sequence[int] = ()) -> Hits:
        """The `k` nearest images of each query, exactly.

        Args:
            queries: `[Q, D]` vectors; rows need not be unit.
            k: How many; fewer come back where the pool has fewer.
            without: Rows that must not come back.

        Returns:
            Scores and rows; among equal scores the lower row comes first within a block of the pool.
        """
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"Queries {tuple(queries.shape)} do not fit a pool of width {self.vectors.shape[1]}.",
                hint="Encode them with the pool's encoder.",
            )
        left_out = torch.zeros(len(self), dtype=torch.bool)
        left_out[list(without)] = True
        k = min(k, int((~left_out).sum()))
        unit = torch.nn.functional.normalize(queries.to(torch.float32), dim=1)
        scores, rows = unit.new_empty(len(unit), 0), torch.empty(len(unit), 0, dtype=torch.int64)
        for start in range(0, len(self), BLOCK):
            block = unit @ self.vectors[start : start + BLOCK].T
            block.masked_fill_(left_out[start : start + BLOCK], -torch.inf)
            best = block.topk(min(k, block.shape[1]), dim=1)
            scores = torch.cat([scores, best.values], 1)
            rows = torch.cat([rows, best.indices + start], 1)
            kept = scores.topk(min(k, scores.shape[1]), dim=1)
            scores, rows = kept.values, rows.gather(1, kept.indices)
        return Hits(scores, rows)


def open_pool(
    images: Sequence[ImageFile], encoder: Encoder, *, progress: Progress | None = None
) -> ImagePool:
    """Encode images that have no stored vector yet; those that cannot be encoded stay out.

    The encoder's `failures` names them. Of several files with the same content the first one stands.

    Raises:
        NoImagesError: Not one could be encoded.
    """
    distinct = list({image.content_hash: image for image in reversed(images)}.values())[::-1]
    encoded = encoder.encode_images(distinct, progress=progress)
    kept = encoded.ok.nonzero().flatten().tolist()
    return ImagePool(tuple(distinct[row] for row in kept), encoded.vectors[encoded.ok])
