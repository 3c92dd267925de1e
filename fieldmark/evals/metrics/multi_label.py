"""How well each class is found where an image may show several: average precision and F1, class by class."""

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError
from fieldmark.tools.statistics.agreement import average_precision, f1

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def class_precision(scores: Floats, truth: Bools) -> Floats:
    """Average precision of each class `[C]`: do the images that show it come first? NaN where none does.

    Their mean over classes is mAP. Source: `agreement.average_precision`.

    Args:
        scores: `[N, C]`, the higher the likelier; only their order within a class matters.
        truth: Whether each class holds `[N, C]`.

    Raises:
        InputError: Shapes do not fit.
    """
    said, true = _alike(scores, truth)
    one = np.ones((1, len(said)))
    with np.errstate(invalid="ignore"):
        found = [average_precision(y, s, one)[0] for s, y in zip(said.T, true.T, strict=True)]
    return np.where(truth.any(axis=0), found, np.nan)


def class_f1(holds: Bools, truth: Bools) -> Floats:
    """F1 of each class `[C]`: 0 where no image that shows it was found, NaN where none does.

    Args:
        holds: Whether each class is said to hold `[N, C]`.
        truth: Whether it does `[N, C]`.

    Raises:
        InputError: Shapes do not fit.
    """
    said, true = _alike(holds, truth)
    one = np.ones((1, len(said)))
    return np.array([f1(y, s, one)[0] for s, y in zip(said.T, true.T, strict=True)])


def _alike(said: Floats | Bools, truth: Bools) -> tuple[Floats, Floats]:
    if said.shape != truth.shape or truth.ndim != 2 or not len(truth):
        raise InputError(
            f"{said.shape} scores do not fit a truth of {truth.shape}.",
            hint="Give one row an image and one column a class, at least one image.",
        )
    return said.astype(np.float64), truth.astype(np.float64)
