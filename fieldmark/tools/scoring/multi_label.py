"""Which of several classes hold in an image: each class by its own threshold, with labels or without any."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_IMAGES = 10
"""Fewer images do not show which scores are usual for a class."""
_SLOPE, _INTERCEPT = 1.5, -3.0
"""Log-odds of a class that nobody labelled, by how far it stands out: chosen on the aviary."""
_SLOPE_SPREAD, _INTERCEPT_SPREAD, _CLASS_SPREAD = 1.0, 1.5, 0.6
"""How far labels may move these, and how far a class may lie from the others: standard deviations."""
_STEPS = 30


@dataclass(frozen=True)
class ClassOdds:
    """Log-odds that a class holds: `slope * z + intercept + offset[c]`, with z of `standing_out`.

    Attributes:
        slope: The same for all classes.
        intercept: The same for all classes.
        offsets: What each class differs by `[C]`.
        positives: Labelled images that show each class `[C]`.
        labelled: Labelled images; 0 where the odds are those that nobody calibrated.
    """

    slope: float
    intercept: float
    offsets: Floats
    positives: NDArray[np.int64]
    labelled: int = 0

    @classmethod
    def uncalibrated(cls, classes: int) -> "ClassOdds":
        """The odds where there are no labels."""
        return cls(_SLOPE, _INTERCEPT, np.zeros(classes), np.zeros(classes, dtype=np.int64))

    def probabilities(self, z: Floats) -> Floats:
        """How likely each class holds `[N, C]`, each by itself: a row may add up to more or less than 1."""
        return _logistic(self.slope * z + self.intercept + self.offsets)


def check_enough(images: int, classes: int) -> None:
    """Refuse too few images or classes for `standing_out`.

    Raises:
        InputError: There are fewer than `LEAST_IMAGES` images, or two classes.
    """
    if images < LEAST_IMAGES or classes < 2:
        raise InputError(
            f"{images} images and {classes} classes do not show which scores are usual.",
            hint=f"Give at least {LEAST_IMAGES} images and two classes.",
            field="images",
        )


def standing_out(scores: Floats) -> Floats:
    """How far each class stands out in each image `[N, C]`, in standard deviations over the images.

    From a score goes the mean of its image, which is high where an image is near to all texts; then each
    class has mean 0 and deviation 1 over the images, so that one text being near to all images says nothing.

    Args:
        scores: `[N, C]`, finite, the higher the likelier.

    Raises:
        InputError: There are fewer than `LEAST_IMAGES` images, or two classes.
    """
    check_enough(*scores.shape)
    own = scores - scores.mean(axis=1, keepdims=True)
    spread = own.std(axis=0)
    return (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def fit_odds(z: Floats, truth: Bools, known: Bools) -> ClassOdds:
    """Log-odds from labels, held to those without labels where these are few.

    Logistic regression with one slope and one intercept, and an offset for each class, all with Gaussian
    priors: a class that few labels show keeps close to the others.

    Args:
        z: `standing_out` of the labelled images `[n, C]`.
        truth: Whether each class holds `[n, C]`.
        known: Whether somebody said so `[n, C]`.
    """
    weight, y = known.astype(np.float64), truth.astype(np.float64)
    slope, intercept, offsets = _SLOPE, _INTERCEPT, np.zeros(z.shape[1])
    ridge = np.array([_SLOPE_SPREAD**-2.0, _INTERCEPT_SPREAD**-2.0])
    for _ in range(_STEPS):
        p = _logistic(slope * z + intercept + offsets)
        curve, rest = weight * p * (1 - p), weight * (y - p)
        away = np.array([slope - _SLOPE, intercept - _INTERCEPT])
        gradient = np.array([(rest * z).sum(), rest.sum()]) - ridge * away
        mixed = (curve * z).sum()
        bend = np.array([[(curve * z * z).sum(), mixed], [mixed, curve.sum()]]) + np.diag(ridge)
        moved = np.clip(np.linalg.solve(bend, gradient), -1, 1)
        slope, intercept = float(slope + moved[0]), float(intercept + moved[1])
        p = _logistic(slope * z + intercept + offsets)
        pull = (weight * (y - p)).sum(axis=0) - offsets / _CLASS_SPREAD**2
        offsets = offsets + pull / ((weight * p * (1 - p)).sum(axis=0) + _CLASS_SPREAD**-2)
    positives = (truth & known).sum(axis=0)
    return ClassOdds(slope, intercept, offsets, positives, labelled=int(known.any(axis=1).sum()))


def best_thresholds(probabilities: Floats) -> Floats:
    """The probability from which on each class holds `[C]`: that with the best expected F1 over the images.

    Of the k likeliest images of a class, `2 Σ_{i≤k} p_i / (k + Σ_i p_i)` is F1 with its expected counts; the
    best k is taken, at least 1, and the threshold is the probability of the last of them.

    Source: Ye et al. 2012 ("Optimizing F-measures: a tale of two approaches"), the decision-theoretic one.

    Args:
        probabilities: `[N, C]`.
    """
    falling = -np.sort(-probabilities, axis=0)
    most = np.arange(1, len(falling) + 1)[:, None]
    expected = 2 * falling.cumsum(axis=0) / (most + falling.sum(axis=0))
    return np.take_along_axis(falling, expected.argmax(axis=0)[None], axis=0)[0]


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
