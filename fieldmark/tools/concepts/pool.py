"""A concept's pool: its images with their vectors, and search over all of them."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.clip.encoder import Encoder, Progress
from fieldmark.tools.concepts.nearest import Hits, VectorIndex, faiss_installed, nearest
from fieldmark.tools.images.files import ImageFile

EXACT_UP_TO = 1_000_000
"""Larger pools are searched by an index where faiss is installed."""

_log = logging.getLogger(__name__)


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
        """The `k` nearest images of each query: exactly, up to a million images or without faiss.

        In a larger pool the first search makes a `VectorIndex`, which takes minutes and may miss some.

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
        if len(self) > EXACT_UP_TO and faiss_installed():
            return self._index.nearest(queries, k, without=without)
        return nearest(self.vectors, queries, k, without=without)

    @cached_property
    def _index(self) -> VectorIndex:
        _log.info("Making an index over %d images; from then on searches may miss some.", len(self))
        return VectorIndex(self.vectors)


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
