"""Intervals and paired tests for accuracies of images, alone or in the classes they come in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError
from fieldmark.tools.statistics.resample import (
    Floats,
    Interval,
    PairedDifference,
    bootstrap,
    ends,
    sign_flip_p,
)


@dataclass(frozen=True)
class Spread:
    """A figure over repetitions that differ in their seed alone.

    Attributes:
        mean: Mean over seeds.
        deviation: Standard deviation over seeds (n - 1); None for a single seed, which shows no spread.
        low: The lowest.
        high: The highest.
        seeds: How many there were.
    """

    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class McNemar:
    """Exact McNemar test.

    Attributes:
        only_first: Images that only the first method gets right.
        only_second: Images that only the second gets right.
        p: Two-sided.
    """

    only_first: int
    only_second: int
    p: float


def bootstrap_mean(
    values: ArrayLike,
    clusters: ArrayLike | None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Mean over images with a 95% percentile interval that resamples whole classes, or single images.

    Images of one class stand or fall together, so classes are drawn with replacement, each with all its
    images; the mean of a resample is over its images. Source: Davison & Hinkley 1997, section 3.8. Without
    classes it is the plain bootstrap over images: that speaks of other images of the same classes alone,
    and is what most papers print.

    Args:
        values: One number per image [N] (0 or 1 for accuracy).
        clusters: The class of each image [N], any labels; see `pooled_clusters` for several data sets.
            None: each image stands for itself.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        InputError: If shapes do not fit or there are no images.
    """
    sums, sizes = _cluster_sums(values, clusters, None)
    draws = _resampled(np.stack([sums, sizes]), resamples, seed, alike=clusters is None)
    low, high = ends(_ratio(draws[0], draws[1]))
    return Interval(float(sums.sum() / sizes.sum()), low, high)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Mean of first - second on the same images: cluster bootstrap interval and sign-flip p.

    The p is that of a permutation test: under the null hypothesis the two methods are exchangeable
    within each class, so the sign of each class's summed difference is a coin flip. See `sign_flip_p`.

    Args:
        first: One number per image [N].
        second: The same images [N].
        clusters: The class of each image [N]; None: each image stands for itself.
        resamples: B, for the interval and for the test.
        seed: Seed of both.

    Raises:
        InputError: If shapes do not fit or there are no images.
    """
    gap = _numbers(first) - _numbers(second, like=first)
    sums, sizes = _cluster_sums(gap, clusters, None)
    draws = _resampled(np.stack([sums, sizes]), resamples, seed, alike=clusters is None)
    low, high = ends(_ratio(draws[0], draws[1]))
    p = sign_flip_p(sums, flips=resamples, seed=seed)
    return PairedDifference(float(sums.sum() / sizes.sum()), low, high, p)


def chosen_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None,
    *,
    first_chosen: ArrayLike,
    second_chosen: ArrayLike,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Mean of `first` over its chosen images minus mean of `second` over its own, classes resampled.

    For comparisons where each side picks its images, such as accuracy of resolved images against that
    of equally many confident ones. Images may be chosen by one side only, so signs cannot be flipped: p
    is the bootstrap's, 2 (1 + b) / (1 + B) with b the resamples on the far side of 0, at most 1.

    Args:
        first: One number per image [N].
        second: One number per image [N], same images.
        clusters: The class of each image [N]; None: each image stands for itself.
        first_chosen: Which images count for the first side [N] bool.
        second_chosen: Which count for the second [N] bool.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        InputError: If shapes do not fit or a side chose no image.
    """
    first_sums, first_sizes = _cluster_sums(first, clusters, first_chosen)
    second_sums, second_sizes = _cluster_sums(second, clusters, second_chosen)
    sides = np.stack([first_sums, first_sizes, second_sums, second_sizes])
    draws = _resampled(sides, resamples, seed, alike=clusters is None)
    gaps = _ratio(draws[0], draws[1]) - _ratio(draws[2], draws[3])
    gaps = gaps[~np.isnan(gaps)]
    low, high = ends(gaps)
    mean = first_sums.sum() / first_sizes.sum() - second_sums.sum() / second_sizes.sum()
    far = min((gaps <= 0).sum(), (gaps >= 0).sum())
    p = min(1.0, 2 * (1 + far) / (1 + len(gaps)))
    return PairedDifference(float(mean), low, high, float(p))


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemar:
    """Exact two-sided McNemar test on images, which it takes to be independent of each other.

    Where images come in classes, `paired_difference` is the honest test; this one is what is published.

    Args:
        first_right: Whether the first method is right [N] bool.
        second_right: Whether the second is [N] bool.
    """
    first = np.asarray(first_right, dtype=bool)
    second = np.asarray(second_right, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise InputError("The two methods were not judged on the same images.", hint="Give two [N] arrays.")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    either = only_first + only_second
    # Importing scipy.stats takes a second, and few callers come here.
    from scipy.stats import binomtest

    p = float(binomtest(only_first, either, 0.5).pvalue) if either else 1.0
    return McNemar(only_first, only_second, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: p-values that may each be held against the family's level.

    Returns:
        Adjusted, in the same order, at most 1. Source: Holm 1979.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def holm_column(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjustment of a table's column, whose cells without a test (None) are no part of the family."""
    adjusted = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(adjusted) for p in p_values]


def over_seeds(values: ArrayLike) -> Spread:
    """Mean and spread of one figure over seeds.

    It says how much the seed matters, and nothing of other images or classes: for that, give the mean over
    seeds of each image's values to `bootstrap_mean`.

    Args:
        values: The figure, one number per seed [R].

    Raises:
        InputError: If there is no number, or one that is not finite.
    """
    numbers = _numbers(values)
    if not len(numbers):
        raise InputError("There is no seed to take the mean over.", hint="Give one number per seed.")
    return Spread(
        mean=float(numbers.mean()),
        deviation=float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        low=float(numbers.min()),
        high=float(numbers.max()),
        seeds=len(numbers),
    )


def pooled_clusters(data_sets: Sequence[ArrayLike]) -> NDArray[np.int64]:
    """Clusters of several data sets joined end to end; equal labels of different sets stay distinct."""
    parts: list[NDArray[np.int64]] = []
    start = 0
    for labels in data_sets:
        found, index = np.unique(np.asarray(labels), return_inverse=True)
        parts.append(index.reshape(-1).astype(np.int64) + start)
        start += len(found)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _numbers(values: ArrayLike, *, like: ArrayLike | None = None) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or (like is not None and numbers.shape != np.shape(like)):
        raise InputError(f"Values {numbers.shape} do not fit.", hint="Give one number per image.")
    if not np.isfinite(numbers).all():
        raise InputError("Values are not finite.", hint="A failed image is left out, not scored.")
    return numbers


def _cluster_sums(
    values: ArrayLike, clusters: ArrayLike | None, chosen: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Sum of the chosen values and number of chosen images, per cluster."""
    numbers = _numbers(values)
    if clusters is None:
        index = np.arange(len(numbers))
    else:
        _, index = np.unique(np.asarray(clusters), return_inverse=True)
        index = index.reshape(-1)
    counts = np.ones(len(numbers)) if chosen is None else np.asarray(chosen, dtype=bool).astype(np.float64)
    if len(index) != len(numbers) or counts.shape != numbers.shape:
        raise InputError("Values, classes and choice differ in length.", hint="Give one of each per image.")
    if not counts.sum():
        raise InputError("No image counts.", hint="Choose at least one image.")
    groups = int(index.max()) + 1
    sums = np.zeros((2, groups))
    np.add.at(sums[0], index, numbers * counts)
    np.add.at(sums[1], index, counts)
    return sums[0], sums[1]


def _resampled(sums: Floats, resamples: int, seed: int, *, alike: bool) -> Floats:
    """Totals [rows, B] over clusters drawn with replacement, the same draws for every row [rows, G].

    Where clusters may be `alike`, equal columns are drawn as one with their joint probability: the same
    distribution, and 50,000 images that are right or wrong are two columns.
    """
    clusters = sums.shape[1]
    shares = None
    if alike:
        sums, counts = np.unique(sums, axis=1, return_counts=True)
        shares = counts / clusters
    return bootstrap(lambda drawn: sums @ drawn.T, clusters, shares=shares, resamples=resamples, seed=seed)


def _ratio(sums: Floats, sizes: Floats) -> Floats:
    """Means of resamples; a resample without a chosen image has none and is left out as NaN."""
    return np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
