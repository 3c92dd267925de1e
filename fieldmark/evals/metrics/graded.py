"""Graded error: how right labels are and the branches of open images, and how far off in the tree."""

from collections.abc import Sequence

import numpy as np

from fieldmark.evals.metrics.tree_distances import tree_distances
from fieldmark.records import Prediction, Record
from fieldmark.tools.datasets.class_tree import ClassTree

GradedRun = tuple[Sequence[Prediction], ClassTree]
"""Predictions, and the tree over their classes."""


class GradedError(Record):
    """Labels and branches against the truth, over the images whose true class is in the tree."""

    images: int
    right_label: float
    tree_distance: float
    """Mean number of steps in the tree between label and true class; 0 is right, 2 a sister."""
    grouped: int
    """Open images that got a branch; the rest is about them, and None where there are none."""
    right_group: float | None
    """Share of them whose branch holds the true class."""
    right_label_of_grouped: float | None
    """Share of them whose label is right."""
    group_classes: float | None
    """Classes of their branch, on average."""


def graded_error(runs: Sequence[GradedRun]) -> GradedError | None:
    """Pool runs, each with its own tree; None where no truth is known.

    Source: Deng et al. 2010, for errors graded by a tree.

    Args:
        runs: Predictions with the tree over their classes.
    """
    found = [_graded(predictions, tree) for predictions, tree in runs]
    if not sum(len(right) for right, *_ in found):
        return None
    right, steps, held, size = (np.concatenate(each) for each in zip(*found, strict=True))
    grouped = size > 0
    some = bool(grouped.any())
    return GradedError(
        images=len(right),
        right_label=_mean(right),
        tree_distance=_mean(steps),
        grouped=int(grouped.sum()),
        right_group=_mean(held[grouped]) if some else None,
        right_label_of_grouped=_mean(right[grouped]) if some else None,
        group_classes=_mean(size[grouped]) if some else None,
    )


def _graded(
    predictions: Sequence[Prediction], tree: ClassTree
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each image of known class `[L]`: label right, steps off, branch right, classes of the branch."""
    place = {name: number for number, name in enumerate(tree.classes)}
    branches = {name: number for number, name in enumerate(tree.branches())}
    known = [p for p in predictions if p.truth in place and p.label in place]
    truth = np.array([place[p.truth or ""] for p in known], dtype=np.int64)
    label = np.array([place[p.label] for p in known], dtype=np.int64)
    branch = np.array([branches.get(p.coarse_label or "", len(branches)) for p in known], dtype=np.int64)
    steps = tree_distances(dict(tree.parents), tree.classes, tree.classes).numpy()
    # The last column stands for no branch: it holds no class.
    members = np.pad(tree.membership().numpy(), ((0, 0), (0, 1)))
    return label == truth, steps[label, truth], members[truth, branch] > 0, members.sum(0)[branch]


def _mean(values: np.ndarray) -> float:
    return round(float(values.mean()), 4)
