"""Which images are right, how accuracy lies over groups, and how far off wrong labels are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError

_STEP = 1 << 23  # elements of the largest temporary


@dataclass(frozen=True)
class GroupAccuracy:
    """Accuracy of each class, or of each group.

    Attributes:
        names: The groups that have images [G], ascending.
        accuracy: Share of right images in each [G] float64.
        sizes: Images of each [G] int64.
    """

    names: NDArray[np.generic]
    accuracy: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def macro(self) -> float:
        """Mean over the groups, each counting the same."""
        return float(self.accuracy.mean())

    @property
    def worst(self) -> int:
        """Place of the group with the lowest accuracy; among equals the first."""
        return int(self.accuracy.argmin())


def label_ranks(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """Place of each image's true class in the order of its scores: 0 is the predicted class.

    Among equal scores the class that comes first is ahead, as in argmax. A true class at -inf is out of
    the running: its rank is C, even in a row where every class is, so that it never counts as found.

    Args:
        scores: Class scores [N, C], the higher the better; -inf for classes out of the running.
        labels: True classes [N], integers in 0..C-1.

    Returns:
        Ranks [N] int64 in 0..C.

    Raises:
        InputError: If shapes do not fit, a label is no class, or a score is NaN or +inf.
    """
    table = np.asarray(scores)
    if table.ndim != 2 or table.shape[1] == 0:
        raise InputError(
            f"Scores of shape {table.shape}.", hint="Give one row per image, one column per class."
        )
    truth = class_numbers(labels, images=len(table), classes=table.shape[1])
    ranks = np.empty(len(table), dtype=np.int64)
    places = np.arange(table.shape[1])
    step = max(1, _STEP // table.shape[1])
    for start in range(0, len(table), step):
        rows, true = table[start : start + step], truth[start : start + step, None]
        if np.isnan(rows).any() or np.isposinf(rows).any():
            raise InputError("Scores are NaN or infinite.", hint="Only -inf may stand for a class left out.")
        own = np.take_along_axis(rows, true, axis=1)
        ahead = ((rows > own) | ((rows == own) & (places < true))).sum(axis=1)
        ranks[start : start + step] = np.where(np.isneginf(own[:, 0]), table.shape[1], ahead)
    return ranks


def top_k_right(scores: ArrayLike, labels: ArrayLike, *, k: int = 1) -> NDArray[np.bool_]:
    """Whether the true class is among the k best of each image [N] bool; see `label_ranks` for ties.

    Raises:
        InputError: As `label_ranks`, or k is below 1.
    """
    if k < 1:
        raise InputError(f"Top-{k}.", hint="Use k of 1 or more.")
    return label_ranks(scores, labels) < k


def predictions_right(predicted: ArrayLike, labels: ArrayLike) -> NDArray[np.bool_]:
    """Whether predicted labels are the true ones [N] bool.

    Args:
        predicted: Predicted classes [N], integers; -1 where there is no prediction, which is not right.
        labels: True classes [N], integers of 0 or more.

    Raises:
        InputError: If lengths differ, or a label is negative or no integer.
    """
    truth = class_numbers(labels)
    given = np.asarray(predicted)
    if given.shape != truth.shape or not np.issubdtype(given.dtype, np.integer):
        raise InputError(
            f"Predictions {given.shape} ({given.dtype}) do not fit {len(truth)} labels.",
            hint="Give one class number per image, -1 where there is none.",
        )
    return given == truth


def group_accuracy(right: ArrayLike, groups: ArrayLike) -> GroupAccuracy:
    """Accuracy within each group that occurs.

    Args:
        right: Whether each image is right [N] bool.
        groups: Group of each image [N], any ids that sort.

    Raises:
        InputError: If lengths differ or there is no image.
    """
    hits = _hits(right)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(index.reshape(-1)) != len(hits):
        raise InputError(f"{len(hits)} images in {index.size} groups.", hint="Give one group per image.")
    sizes = np.bincount(index.reshape(-1)).astype(np.int64)
    return GroupAccuracy(names, np.bincount(index.reshape(-1), hits) / sizes, sizes)


def label_distances(predicted: ArrayLike, labels: ArrayLike, distances: ArrayLike) -> NDArray[np.float64]:
    """Distance of each image's predicted label from its true one [N] float64.

    Args:
        predicted: Predicted labels [N], integers in 0..C-1.
        labels: True labels [N], the same.
        distances: d [C, C], finite, 0 on the diagonal and symmetric.

    Raises:
        InputError: If shapes do not fit, a label is out of range, or the table is no distance.
    """
    table = np.asarray(distances, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise InputError(f"Distances {table.shape}.", hint="Give one row and one column per label.")
    sound = bool(np.isfinite(table).all() and (table >= 0).all() and (np.diag(table) == 0).all())
    if not sound or not np.allclose(table, table.T):
        raise InputError(
            "The table is no distance between labels.",
            hint="It must be finite, symmetric, and 0 on the diagonal.",
        )
    truth = class_numbers(labels, classes=len(table))
    return table[class_numbers(predicted, images=len(truth), classes=len(table)), truth]


def class_numbers(
    labels: ArrayLike, *, images: int | None = None, classes: int | None = None
) -> NDArray[np.int64]:
    """True classes [N] int64, checked to be whole numbers of 0 or more.

    Args:
        labels: The classes.
        images: N, where it is known.
        classes: C, which every label is below, where it is known.

    Raises:
        InputError: If they are not what they must be.
    """
    truth = np.asarray(labels)
    whole = np.issubdtype(truth.dtype, np.integer) or truth.size == 0
    if truth.ndim != 1 or not whole or (images is not None and len(truth) != images):
        raise InputError(
            f"Labels of shape {truth.shape} ({truth.dtype}).",
            hint=f"Give one class number per image{'' if images is None else f', {images} of them'}.",
        )
    if truth.size and (truth.min() < 0 or (classes is not None and truth.max() >= classes)):
        raise InputError(
            f"Labels from {truth.min()} to {truth.max()}.",
            hint=f"Number the {'' if classes is None else f'{classes} '}classes from 0; leave out images "
            "without a label.",
        )
    return truth.astype(np.int64)


def _hits(right: ArrayLike) -> NDArray[np.float64]:
    hits = np.asarray(right)
    if hits.ndim != 1 or hits.dtype != np.bool_ or not len(hits):
        raise InputError(
            f"Right or wrong of shape {hits.shape} ({hits.dtype}).",
            hint="Give one bool per image, at least one.",
        )
    return hits.astype(np.float64)
