"""How far confidence can be trusted: a fitted temperature, reliability bins, calibration error."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.metrics.accuracy import class_numbers

_LIMITS = (1e-6, 1e6)


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes:
        low: Confidence from which the bin reaches; not part of it, but for the first bin.
        high: Confidence up to which it reaches, included.
        count: Images in it.
        confidence: Their mean confidence; None where the bin is empty.
        accuracy: Share of them that is right; None where the bin is empty.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None

    @property
    def gap(self) -> float:
        """Distance of accuracy from confidence; 0 for an empty bin."""
        return (
            0.0 if self.accuracy is None or self.confidence is None else abs(self.accuracy - self.confidence)
        )


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    Attributes:
        bins: From low to high confidence.
        error: ECE, the expected calibration error: the mean gap, each bin counting by its images.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """The temperature under which labelled images are likeliest.

    It minimises the cross-entropy of softmax(scores / T); that is convex in 1/T, so bisection on its
    derivative finds the one answer. Source: Guo et al. 2017, section 4.2. Departure: as in Platt 1999 the
    target is (n + 1)/(n + 2) for the true class and shares the rest among the others, n the number of images,
    so that a method which is always right on a few images is not declared certain.

    Args:
        scores: Class scores of held-out images [n, C]; -inf for classes out of the running. Images that are
            measured later must not be among them.
        labels: Their true classes [n] int64. An image whose true class is out of the running is left out, as
            no temperature makes it likely.

    Returns:
        What scores are divided by before the softmax, within 1e-6 and 1e6.

    Raises:
        InputError: If labels do not fit, a score is NaN, or no image is left to fit on.
    """
    _check_scores(scores)
    truth = torch.from_numpy(class_numbers(labels, images=len(scores), classes=scores.shape[1]))
    rows = scores.to(torch.float64)
    own = rows.gather(1, truth[:, None]).squeeze(1)
    kept = own.isfinite()
    rows, own = rows[kept], own[kept]
    count = len(rows)
    if not count:
        raise InputError(
            "There is no labelled image to fit a temperature on.",
            hint="Give some, or use spread_temperature.",
        )
    finite = rows.isfinite()
    plain = rows.masked_fill(~finite, 0.0)
    rivals = (finite.sum(1) - 1).to(torch.float64)
    others = torch.where(rivals > 0, (plain.sum(1) - own) / rivals.clamp(min=1), own)
    aim = (own * (count + 1) + others) / (count + 2)
    low, high = (math.log(limit) for limit in _LIMITS)
    for _ in range(60):
        middle = (low + high) / 2
        expected = ((rows / math.exp(middle)).softmax(1) * plain).sum(1)
        # The derivative by 1/T: below 0 the probabilities are not yet sharp enough, T must fall.
        low, high = (low, middle) if float((expected - aim).mean()) < 0 else (middle, high)
    return math.exp((low + high) / 2)


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = 15) -> Reliability:
    """Reliability diagram and expected calibration error of the predicted classes.

    Bins of equal width hold (low, high], the first 0 as well: Guo et al. 2017, section 2.

    Args:
        confidence: Probability of each image's predicted class [N], in [0, 1].
        right: Whether the predicted class is the true one [N] bool.
        bins: How many.

    Raises:
        InputError: If shapes do not fit, a confidence is out of range, or there is no image.
    """
    sure, hits = _checked(confidence, right)
    if bins < 1:
        raise InputError(f"{bins} bins.", hint="Use at least one; 15 is usual.")
    ends = np.linspace(0, 1, bins + 1)[1:]
    place = np.searchsorted(ends[:-1], sure, side="left")
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, sure, minlength=bins)
    found = np.bincount(place, hits, minlength=bins)
    made = tuple(
        ReliabilityBin(
            low=float(ends[at - 1]) if at else 0.0,
            high=float(ends[at]),
            count=int(counts[at]),
            confidence=float(sums[at] / counts[at]) if counts[at] else None,
            accuracy=float(found[at] / counts[at]) if counts[at] else None,
        )
        for at in range(bins)
    )
    return Reliability(
        bins=made,
        error=sum(each.count * each.gap for each in made) / len(sure),
    )


def _checked(confidence: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sure, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right)
    if sure.ndim != 1 or sure.shape != hits.shape or hits.dtype != np.bool_ or not len(sure):
        raise InputError(
            f"Confidence {sure.shape} does not fit {hits.shape} ({hits.dtype}).",
            hint="Give one probability and one bool per image, at least one image.",
        )
    # A softmax in float32 may end a hair above 1.
    if not bool(((sure >= 0) & (sure <= 1 + 1e-6)).all()):
        raise InputError("Confidence lies out of 0 to 1.", hint="Turn scores into probabilities first.")
    return np.minimum(sure, 1.0), hits.astype(np.float64)


def _check_scores(scores: Tensor) -> None:
    if scores.ndim != 2 or bool((scores.isnan() | scores.isposinf()).any()):
        raise InputError(
            f"Scores {tuple(scores.shape)} are no table of numbers.",
            hint="Give [images, classes]; only -inf may stand for a class left out.",
        )
