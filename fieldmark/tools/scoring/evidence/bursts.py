"""Images that share a label, as pictures of one individual do: their evidence adds up as far as it is new."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bursts:
    """Which images share a label.

    Attributes:
        number: The burst of each image [N] int64, from 0; an image of none has a burst of its own.
        dependence: How much the evidence of a burst's pictures repeats itself, from 0 (each is new) to 1 (all
            are one).
        sameness: The same of their vectors. A mistake in what is said of a class is the same in every picture
            of it, pose and noise are not.
        apart: Images whose bursts were taken apart, as they contradict each other.
    """

    number: Tensor
    dependence: float = 1.0
    sameness: float = 1.0
    apart: int = 0

    @cached_property
    def sizes(self) -> Tensor:
        """Images in the burst of each image [N] float32."""
        return self.number.bincount()[self.number].float()

    @cached_property
    def worth(self) -> Tensor:
        """How many new images the m of each image's burst are worth [N] float32: m / (1 + (m - 1) r)."""
        return self.sizes / (1 + (self.sizes - 1) * self.dependence)

    @cached_property
    def looks(self) -> Tensor:
        """The same of vectors [N] float32."""
        return self.sizes / (1 + (self.sizes - 1) * self.sameness)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of values [N, ...] over each image's burst [N, ...]."""
        total = values.new_zeros((int(self.number.max()) + 1, *values.shape[1:]))
        total.index_add_(0, self.number, values)
        return total[self.number] / self._along(self.sizes, values)

    def added(self, values: Tensor) -> Tensor:
        """What the values [N, ...] of a burst say together, at each image of it [N, ...]."""
        return self.mean(values) * self._along(self.worth, values)

    def spread(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [n] of images and a number for each [n], and the same for the others of their bursts.

        Where rows of a burst differ, nothing follows for its other images.
        """
        if not len(rows):
            return rows, values
        low = torch.full((int(self.number.max()) + 1,), torch.iinfo(torch.int64).max)
        high = torch.full_like(low, torch.iinfo(torch.int64).min)
        low.scatter_reduce_(0, self.number[rows], values, "amin")
        high.scatter_reduce_(0, self.number[rows], values, "amax")
        agreed = (low == high)[self.number]
        given = torch.zeros(len(self.number), dtype=torch.bool).index_fill(0, rows, value=True)
        others = (agreed & ~given).nonzero()[:, 0]
        return torch.cat([rows, others]), torch.cat([values, low[self.number[others]]])

    @staticmethod
    def _along(factor: Tensor, values: Tensor) -> Tensor:
        return factor.reshape(-1, *[1] * (values.dim() - 1))


def dependence(evidence: Tensor, number: Tensor) -> float:
    """How much pictures of a burst repeat each other, by how little they scatter.

    Evidence that is calibrated for one image has margins of variance V = 2 · their mean. The part s² of it
    that lies within bursts is new with each picture; the rest they share, mistakes in what is said of a class
    among it: r = 1 - s²/V, in 0..1. Margins are those of the two classes that a burst's mean prefers.

    Args:
        evidence: Log-odds of each class, by each image alone [N, C] float32.
        number: The burst of each image [N] int64.
    """
    bursts = Bursts(number)
    several = bursts.sizes > 1
    if evidence.shape[1] < 2 or not several.any():
        return 1.0
    best = bursts.mean(evidence).topk(2, dim=1)
    margin = (best.values[:, 0] - best.values[:, 1])[several]
    own = evidence.gather(1, best.indices)[several]
    sizes = bursts.sizes[several]
    apart = (own[:, 0] - own[:, 1] - margin).square() * sizes / (sizes - 1)
    whole = 2 * float(margin.sum())
    return min(1.0, max(0.0, 1 - float(apart.sum()) / whole)) if whole > 0 else 1.0


def sameness(vectors: Tensor, number: Tensor, shares: Tensor) -> float:
    """How much the vectors of a burst repeat each other: 1 - scatter in bursts / scatter in classes.

    Args:
        vectors: Unit image vectors [N, D] float32.
        number: The burst of each image [N] int64.
        shares: How much each image belongs to each class [N, C] float32.
    """
    bursts = Bursts(number)
    several = bursts.sizes > 1
    if not several.any():
        return 1.0
    apart = (vectors - bursts.mean(vectors)).square().sum(1) * bursts.sizes / (bursts.sizes - 1)
    count = shares.sum(0)
    means = (shares.T @ vectors) / count[:, None].clamp(min=1e-6)
    whole = 1 - float((count * means.square().sum(1)).sum() / count.sum())
    return min(1.0, max(0.0, 1 - float(apart[several].mean()) / max(whole, 1e-9)))
