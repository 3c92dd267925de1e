"""Sorts images into groups of alike ones, as many as asked for or as the images themselves suggest."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from fieldmark.tools.scoring.evidence.likeness import principal_axes
from fieldmark.tools.statistics.partitions import adjusted_rand, contingency

MOST_IMAGES = 4_000
"""Of more images these many, evenly spread, say where groups lie: distances of all pairs are held at once."""
LEAST_MEAN = 4
"""Images a group has at least on average, where the number of groups is found."""
NUMBERS_TRIED, HALVES = 40, 4
STRONG = 0.9
_Tree = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Images [n, K], and Ward's tree over them."""
_FEWEST = 8
"""Of fewer images nothing can be told; they are one group."""


@dataclass(frozen=True)
class ImageGroups:
    """Which images are alike.

    Attributes:
        number: Group of each image [N] int64, 0 the largest group.
        typical: For each group its images [m] int64, the most typical one first.
    """

    number: Tensor
    typical: tuple[Tensor, ...]


def find_groups(vectors: Tensor, count: int | None = None) -> ImageGroups:
    """Group images by Ward's method and then by k-means, on the leading principal axes.

    Ward's groups (Ward 1963) are where k-means by cosine begins. Where no number is given, the largest one
    whose prediction strength is `STRONG` or more is taken (Tibshirani & Walther 2005, section 2): half of the
    images is grouped, the other half is sorted by that, and grouped by itself; the strength of a group of its
    own is the share of its pairs that were sorted together, here the mean over groups and halves. A larger
    number by which both ways agree better (adjusted Rand index) is taken in its place: few groups may be
    strong by chance.

    Args:
        vectors: Unit image vectors [N, D] float32.
        count: How many groups; no more than images are made.
    """
    if len(vectors) < 2 or count == 1 or (count is None and len(vectors) < _FEWEST):
        return _listed(principal_axes(vectors).numpy(), np.zeros(len(vectors), dtype=np.int64))
    axes = torch.nn.functional.normalize(principal_axes(vectors), dim=1).numpy().astype(np.float64)
    some = axes[np.linspace(0, len(axes) - 1, min(len(axes), MOST_IMAGES)).astype(np.int64)]
    if count is None:
        count = _number(some)
    means = _cut(some, linkage(some, "ward"), min(count, len(some)), passes=20)[1]
    return _listed(axes, (axes @ means.T).argmax(1))


def _number(axes: NDArray[np.float64]) -> int:
    """How many groups there are, see `find_groups`."""
    halves: list[tuple[_Tree, _Tree]] = []
    for seed in range(HALVES):
        order = np.random.default_rng(seed).permutation(len(axes))
        first, second = axes[order[::2]], axes[order[1::2]]
        halves.append(((first, linkage(first, "ward")), (second, linkage(second, "ward"))))
    most = max(2, len(axes) // LEAST_MEAN)
    strong, agreed = 1, dict[int, float]()
    for number in sorted({round(each) for each in np.geomspace(2, most, NUMBERS_TRIED)}):
        strength, agreement = 0.0, 0.0
        for first, second in halves:
            means = _cut(*first, number)[1]
            own = _cut(*second, number)[0]
            table = contingency((second[0] @ means.T).argmax(1), own)
            strength += _strength(table) / HALVES
            agreement += adjusted_rand(table) / HALVES
        agreed[number] = agreement
        strong = number if strength >= STRONG else strong
    several = [number for number in agreed if number > 2] or list(agreed)  # two halves agree by chance
    best = max(several, key=lambda number: agreed[number])
    return best if best > strong and agreed[best] > agreed.get(strong, 0.0) else strong


def _strength(table: NDArray[np.int64]) -> float:
    """Share of the pairs of a column that lie in one row, the mean over columns; 0 of a lone image."""
    own = table.sum(0)
    return float(((table * (table - 1)).sum(0) / np.maximum(own * (own - 1), 1)).mean())


def _cut(
    axes: NDArray[np.float64], tree: NDArray[np.float64], count: int, passes: int = 5
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Groups of the images [n], and the groups' unit means [k, K]."""
    own = fcluster(tree, count, "maxclust").astype(np.int64) - 1
    means = _means(axes, own)
    for _ in range(passes):
        moved = (axes @ means.T).argmax(1)
        if (moved == own).all():
            break
        own = np.unique(moved, return_inverse=True)[1]  # a group may have lost its last image
        means = _means(axes, own)
    return own, means


def _means(axes: NDArray[np.float64], own: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((int(own.max()) + 1, axes.shape[1]))
    np.add.at(sums, own, axes)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _listed(axes: NDArray[np.float64], own: NDArray[np.int64]) -> ImageGroups:
    sizes = np.bincount(own)
    order = [group for group in np.argsort(-sizes, kind="stable").tolist() if sizes[group]]
    place = np.zeros(len(sizes), dtype=np.int64)
    place[order] = np.arange(len(order))
    number = place[own]
    means = _means(axes, number)
    typical: list[Tensor] = []
    for group in range(len(order)):
        images = np.flatnonzero(number == group)
        typical.append(torch.from_numpy(images[np.argsort(-(axes[images] @ means[group]), kind="stable")]))
    return ImageGroups(torch.from_numpy(number), tuple(typical))
