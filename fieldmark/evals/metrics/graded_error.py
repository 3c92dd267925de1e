"""How far off wrong labels are, by a distance between labels such as the path length in a tree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError
from fieldmark.evals.metrics.accuracy import class_numbers
from fieldmark.tools.statistics.intervals import bootstrap_mean
from fieldmark.tools.statistics.resample import Interval


@dataclass(frozen=True)
class GradedError:
    """Mean distance between predicted and true label.

    Attributes:
        distance: Mean of d, in the unit of the distances.
        squared: Mean of d², what Loki's rule minimises (Roberts et al. 2023).
    """

    distance: Interval
    squared: Interval


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


def graded_error(
    predicted: ArrayLike,
    labels: ArrayLike,
    distances: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> GradedError:
    """Mean d and d² between predicted and true labels, with bootstrap intervals.

    Args:
        predicted: Predicted labels [N], integers in 0..C-1.
        labels: True labels [N], the same.
        distances: d [C, C], see `label_distances`.
        clusters: What is resampled [N], usually the labels; None: images.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.
        seed: Seed of the resampling.

    Raises:
        InputError: As `label_distances`, or there is no image.
    """
    d = label_distances(predicted, labels, distances)

    def interval(values: NDArray[np.float64]) -> Interval:
        return bootstrap_mean(values, clusters, resamples=resamples, level=level, seed=seed)

    return GradedError(distance=interval(d), squared=interval(d * d))
