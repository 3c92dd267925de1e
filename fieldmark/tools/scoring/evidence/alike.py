"""Groups images that fit no listed class by likeness, and finds the values that each group has in common."""

from dataclasses import dataclass

import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from fieldmark.tools.scoring.evidence.likeness import principal_axes

APART = 1.5
"""Groups join while images of the two are at most so many times as far apart as images of one class are."""
SAME_CLASS = 0.3
"""How far apart images of one class are taken to be where no class has two images."""
MOST_IMAGES = 4_000
"""Of more images these many are grouped, evenly spread: distances of all pairs are held at once."""
COMMON = 2 / 3
"""Share of a group that must show a value."""
UNUSUAL = 2.0
"""How many times the value's share in the whole pool that must be."""


@dataclass(frozen=True)
class CommonValue:
    """A value that a group shows more often than the pool does.

    Attributes:
        attribute: Its attribute.
        value: Its number among the values of that attribute.
        share: Share of the group's images that it fits best.
        usual: The same of all images.
    """

    attribute: int
    value: int
    share: float
    usual: float


def groups_of_like(vectors: Tensor, rows: Tensor, label: Tensor) -> list[Tensor]:
    """The groups of two images or more among some of the pool, the largest first.

    Average linkage of 1 - cosine on the leading principal axes of the whole pool, as neighbours are found.
    How far apart images of one group may be follows from the other images: noise moves all apart.

    Args:
        vectors: Unit image vectors of the pool [N, D] float32.
        rows: The images to group [n] int64.
        label: Class of each image of the pool [N] int64.

    Returns:
        For each group its images [m] int64, the most typical one first.
    """
    if len(rows) > MOST_IMAGES:
        rows = rows[torch.linspace(0, len(rows) - 1, MOST_IMAGES).long()]
    if len(rows) < 2:
        return []
    axes = torch.nn.functional.normalize(principal_axes(vectors), dim=1)
    others = torch.ones(len(axes), dtype=torch.bool).index_fill(0, rows, value=False)
    most = APART * within_class(axes[others], label[others])
    axes = axes[rows]
    above = torch.triu_indices(len(rows), len(rows), 1)
    apart = (1 - axes @ axes.T)[above[0], above[1]].clamp(min=0)
    number = torch.from_numpy(fcluster(linkage(apart.numpy(), "average"), most, "distance")).long()
    groups: list[Tensor] = []
    for group in range(1, int(number.max()) + 1):
        own = (number == group).nonzero()[:, 0]
        if len(own) > 1:
            typical = (axes[own] @ axes[own].mean(0)).argsort(descending=True, stable=True)
            groups.append(rows[own[typical]])
    return sorted(groups, key=len, reverse=True)


def within_class(axes: Tensor, label: Tensor) -> float:
    """Mean 1 - cosine between images of one class, the median over classes.

    Args:
        axes: Unit vectors [N, K] float32.
        label: Class of each image [N] int64.
    """
    if not len(label):
        return SAME_CLASS
    own = torch.nn.functional.one_hot(label).float()
    count = own.sum(0)
    several = count > 1
    pairs = (count * (count - 1))[several]
    alike = ((own.T @ axes).square().sum(1) - count)[several] / pairs
    return float(1 - alike.median()) if len(alike) else SAME_CLASS


def common_values(seen: Tensor, group: Tensor) -> list[CommonValue]:
    """The values that most images of a group show and few others do, the most telling one first.

    Args:
        seen: How likely each image shows each value [N, T, V] float32; all zero where an attribute has none.
        group: Images [m] int64.
    """
    attributes, values = seen.shape[1:]
    shown = torch.nn.functional.one_hot(seen.argmax(-1), values).float()
    shown *= seen.any(-1, keepdim=True)
    usual = shown.mean(0)
    share, value = shown[group].mean(0).max(-1)
    usual = usual.gather(1, value[:, None])[:, 0]
    found = [
        CommonValue(t, v, s, u)
        for t, v, s, u in zip(range(attributes), value.tolist(), share.tolist(), usual.tolist(), strict=True)
        if s >= COMMON and s >= UNUSUAL * u
    ]
    return sorted(found, key=lambda each: each.usual - each.share)
