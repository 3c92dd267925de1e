"""What a method gains by leaving images open: candidate sets, and accuracy of the images it is surest of."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError
from fieldmark.evals.metrics.accuracy import class_numbers
from fieldmark.tools.statistics.intervals import bootstrap_mean
from fieldmark.tools.statistics.resample import Interval


@dataclass(frozen=True)
class CandidateSets:
    """How candidate sets do; shares are of all images.

    Attributes:
        size: Mean number of candidates of an image.
        coverage: Share of images whose candidates hold the true class.
        single: Share of images with one candidate, the resolved ones.
        empty: Share with none.
    """

    size: Interval
    coverage: Interval
    single: Interval
    empty: Interval


@dataclass(frozen=True)
class SelectiveCurve:
    """Accuracy of the most confident images, for every number of them.

    Attributes:
        coverage: n / N for n = 1..N [N] float64.
        accuracy: Accuracy of the n most confident images [N] float64; where the n-th ties with others, the
            mean over the ways to choose among those.
    """

    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def risk_area(self) -> float:
        """AURC: mean over n of the error of the n most confident images. Source: Geifman & El-Yaniv 2019."""
        return float(1 - self.accuracy.mean())

    def at(self, coverage: float) -> float:
        """Accuracy of the least number of most confident images that reaches a coverage.

        Args:
            coverage: Share of images that must be answered, above 0 and at most 1.

        Raises:
            InputError: If it is out of range.
        """
        if not 0 < coverage <= 1:
            raise InputError(f"Coverage {coverage}.", hint="Use a share above 0, at most 1.")
        # 0.07 * 100 is 7.000000000000001 in floating point: seven images must still do.
        images = math.ceil(coverage * len(self.accuracy) - 1e-9)
        return float(self.accuracy[max(images, 1) - 1])


def candidate_sets(
    candidates: ArrayLike,
    labels: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> CandidateSets:
    """Size and coverage of candidate sets, with bootstrap intervals.

    Args:
        candidates: Classes that each image may still be [N, C] bool.
        labels: True classes [N], integers in 0..C-1.
        clusters: What is resampled [N], usually the labels; None: images.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.
        seed: Seed of the resampling.

    Raises:
        InputError: If shapes do not fit or there is no image.
    """
    sets = np.asarray(candidates)
    if sets.ndim != 2 or sets.dtype != np.bool_:
        raise InputError(
            f"Candidates {sets.shape} ({sets.dtype}).", hint="Give one bool per image and class."
        )
    truth = class_numbers(labels, images=len(sets), classes=sets.shape[1])
    sizes = sets.sum(axis=1)
    covered = np.take_along_axis(sets, truth[:, None], axis=1)[:, 0]

    def interval(values: NDArray[np.generic]) -> Interval:
        return bootstrap_mean(values, clusters, resamples=resamples, level=level, seed=seed)

    return CandidateSets(
        size=interval(sizes),
        coverage=interval(covered),
        single=interval(sizes == 1),
        empty=interval(sizes == 0),
    )


def selective_curve(confidence: ArrayLike, right: ArrayLike) -> SelectiveCurve:
    """Accuracy against coverage when the least confident images are left open.

    Args:
        confidence: Any number per image [N] that is higher where the method is surer.
        right: Whether the image is right [N] bool.

    Raises:
        InputError: If shapes do not fit, a confidence is NaN, or there is no image.
    """
    sure, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right)
    if sure.ndim != 1 or sure.shape != hits.shape or hits.dtype != np.bool_ or not len(sure):
        raise InputError(
            f"Confidence {sure.shape} does not fit {hits.shape} ({hits.dtype}).",
            hint="Give one number and one bool per image, at least one image.",
        )
    if np.isnan(sure).any():
        raise InputError(
            "A confidence is NaN.", hint="Give an image without an answer -inf, and count it wrong."
        )
    levels, index = np.unique(-sure, return_inverse=True)
    counts = np.bincount(index, minlength=len(levels))
    shares = np.bincount(index, hits, minlength=len(levels)) / counts
    images = np.arange(1, len(sure) + 1)
    return SelectiveCurve(images / len(sure), np.cumsum(np.repeat(shares, counts)) / images)
