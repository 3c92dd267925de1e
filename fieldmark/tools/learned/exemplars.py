"""Chooses images that show a class: the most typical one, then sure ones unlike those chosen so far."""

import torch
from torch import Tensor

from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.learned.student import Lesson

PER_CLASS = 3
_SUREST = 0.5
"""Share of a class's images, the surest, among which exemplars are looked for."""


def exemplars(lesson: Lesson, means: ClassMeans, *, most: int = PER_CLASS) -> list[list[int]]:
    """Rows of the pool that show each class, the most typical first; empty where a class has none.

    Args:
        lesson: The pool.
        means: Mean vector of each class.
        most: The most images of a class.
    """
    label = lesson.target.argmax(1).masked_fill(lesson.weight <= 0, -1)
    return [
        _chosen((label == c).nonzero()[:, 0], lesson, means.means[c], most) for c in range(len(means.means))
    ]


def _chosen(rows: Tensor, lesson: Lesson, mean: Tensor, most: int) -> list[int]:
    if not len(rows):
        return []
    keep = max(most, int(len(rows) * _SUREST))
    rows = rows[lesson.weight[rows].argsort(descending=True, stable=True)[:keep]]
    vectors = lesson.vectors[rows]
    chosen = [int((vectors @ mean).argmax())]
    nearest = (vectors - vectors[chosen[0]]).norm(dim=1)
    while len(chosen) < min(most, len(rows)):
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        nearest = torch.minimum(nearest, (vectors - vectors[farthest]).norm(dim=1))
    return rows[chosen].tolist()
