"""Mean image vector of each class: how far an image is from all of them, and what is typical of a class."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.learned.student import Lesson

FEWEST = 2
"""Images that must be labelled as a class for its mean to say anything."""


@dataclass(frozen=True)
class ClassMeans:
    """Where classes lie among image vectors.

    Attributes:
        means: Mean vector of each class [C, D] float32.
        images: How many images of the pool are labelled so [C] float32.
    """

    means: Tensor
    images: Tensor

    @classmethod
    def of(cls, lesson: Lesson) -> "ClassMeans":
        """The means of a pool; images that are of no class do not count."""
        counts = (lesson.weight > 0).to(torch.float32)
        share = lesson.target * counts[:, None]
        means = share.T @ lesson.vectors / share.sum(0).clamp(min=1e-6)[:, None]
        label = lesson.target.argmax(1)
        return cls(means, torch.zeros(lesson.target.shape[1]).index_add(0, label, counts))

    @property
    def known(self) -> Tensor:
        """Classes whose mean says something [C] bool; all, where none does."""
        enough = self.images >= FEWEST
        return enough if bool(enough.any()) else torch.ones_like(enough)

    def distance(self, vectors: Tensor) -> Tensor:
        """Euclidean distance of each unit vector [N, D] to the nearest mean [N] float32."""
        return self.distance_by(vectors @ self.means[self.known].T)

    def distance_by(self, products: Tensor) -> Tensor:
        """The same by the products of unit vectors and the known means [N, K]: √(1 - 2 x·m + |m|²)."""
        means = self.means[self.known]
        squares = torch.sub(means.square().sum(1) + 1, products, alpha=2)
        return squares.min(1).values.clamp_(min=0).sqrt_()
