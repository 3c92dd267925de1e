"""Intervals and paired tests for accuracies of images, alone or in the classes they come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError

_STEP = 1 << 23  # elements of the largest temporary


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval.

    Attributes:
        mean: The mean over images.
        low: Lower end.
        high: Upper end.
        images: How many images it is the mean of.
        clusters: How many classes were resampled; as many as images where each stands for itself.
    """

    mean: float
    low: float
    high: float
    images: int
    clusters: int


@dataclass(frozen=True)
class PairedDifference(Interval):
    """Mean difference of two methods on the same images, with a two-sided p.

    Attributes:
        p: From the sign-flip test over clusters; never 0.
    """

    p: float


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
    chosen: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over images with a percentile interval that resamples whole classes, or single images.

    Images of one class stand or fall together, so classes are drawn with replacement, each with all its
    images; the mean of a resample is over its images. Source: Davison & Hinkley 1997, section 3.8. Without
    classes it is the plain bootstrap over images: that speaks of other images of the same classes alone,
    and is what most papers print.

    Args:
        values: One number per image [N] (0 or 1 for accuracy).
        clusters: The class of each image [N], any labels; see `pooled_clusters` for several data sets.
            None: each image stands for itself.
        chosen: Which images count [N] bool, e.g. the resolved ones; all where not given.
        resamples: Bootstrap resamples.
        level: Coverage of the interval.
        seed: Seed of the resampling.

    Raises:
        InputError: If shapes do not fit or no image counts.
    """
    sums, sizes = _cluster_sums(values, clusters, chosen)
    draws = _resampled(np.stack([sums, sizes]), resamples, seed, alike=clusters is None)
    low, high = _ends(_ratio(draws[0], draws[1]), level)
    return Interval(float(sums.sum() / sizes.sum()), low, high, int(sizes.sum()), len(sums))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Mean of first - second on the same images: cluster bootstrap interval and sign-flip p.

    The p is that of a permutation test: under the null hypothesis the two methods are exchangeable
    within each class, so the sign of each class's summed difference is a coin flip. p = (1 + b) / (1 + B)
    with b the flips that reach the observed difference, so it is never 0; with few enough classes that
    all 2^G flips fit in B, they are enumerated and p is exact.

    Args:
        first: One number per image [N].
        second: The same images [N].
        clusters: The class of each image [N]; None: each image stands for itself.
        resamples: B, for the interval and for the test.
        level: Coverage of the interval.
        seed: Seed of both.

    Raises:
        InputError: If shapes do not fit or there are no images.
    """
    gap = _numbers(first) - _numbers(second, like=first)
    sums, sizes = _cluster_sums(gap, clusters, None)
    draws = _resampled(np.stack([sums, sizes]), resamples, seed, alike=clusters is None)
    low, high = _ends(_ratio(draws[0], draws[1]), level)
    p = _sign_flip_p(sums, resamples, seed)
    return PairedDifference(float(sums.sum() / sizes.sum()), low, high, int(sizes.sum()), len(sums), p)


def chosen_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None,
    *,
    first_chosen: ArrayLike,
    second_chosen: ArrayLike,
    resamples: int = 10_000,
    level: float = 0.95,
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
        level: Coverage of the interval.
        seed: Seed of the resampling.

    Returns:
        The difference; `images` is the number of the first side's chosen images.

    Raises:
        InputError: If shapes do not fit or a side chose no image.
    """
    first_sums, first_sizes = _cluster_sums(first, clusters, first_chosen)
    second_sums, second_sizes = _cluster_sums(second, clusters, second_chosen)
    sides = np.stack([first_sums, first_sizes, second_sums, second_sizes])
    draws = _resampled(sides, resamples, seed, alike=clusters is None)
    gaps = _ratio(draws[0], draws[1]) - _ratio(draws[2], draws[3])
    gaps = gaps[~np.isnan(gaps)]
    low, high = _ends(gaps, level)
    mean = first_sums.sum() / first_sizes.sum() - second_sums.sum() / second_sizes.sum()
    far = min((gaps <= 0).sum(), (gaps >= 0).sum())
    p = min(1.0, 2 * (1 + far) / (1 + len(gaps)))
    return PairedDifference(float(mean), low, high, int(first_sizes.sum()), len(first_sums), float(p))


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

    Args:
        p_values: Unadjusted, any order.

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


def _numbers(values: ArrayLike, *, like: ArrayLike | None = None) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or (like is not None and numbers.shape != np.shape(like)):
        raise InputError(f"Values {numbers.shape} do not fit.", hint="Give one number per image.")
    if not np.isfinite(numbers).all():
        raise InputError("Values are not finite.", hint="A failed image is left out, not scored.")
    return numbers


def _cluster_sums(
    values: ArrayLike, clusters: ArrayLike | None, chosen: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _resampled(sums: NDArray[np.float64], resamples: int, seed: int, *, alike: bool) -> NDArray[np.float64]:
    """Totals [rows, B] over clusters drawn with replacement, the same draws for every row [rows, G].

    Where clusters may be `alike`, equal columns are drawn as one with their joint chance: the same
    distribution, and 50,000 images that are right or wrong are two columns.
    """
    if resamples < 1:
        raise InputError(f"{resamples} resamples.", hint="Use at least one; 10,000 is usual.")
    clusters = sums.shape[1]
    if not alike and clusters * resamples <= _STEP:
        return sums @ _even_draws(clusters, resamples, seed).T
    rng = np.random.default_rng(seed)
    shares = np.full(clusters, 1 / clusters)
    if alike:
        sums, counts = np.unique(sums, axis=1, return_counts=True)
        shares = counts / clusters
    step = max(1, _STEP // len(shares))
    parts = [
        sums @ rng.multinomial(clusters, shares, size=min(step, resamples - start)).T
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=2)
def _even_draws(clusters: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each cluster is drawn in each resample [B, G]; a table's every row asks for the same."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)
    drawn.setflags(write=False)
    return drawn


def _ratio(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of resamples; a resample without a chosen image has none and is left out as NaN."""
    return np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)


def _ends(means: NDArray[np.float64], level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise InputError(f"Level {level}.", hint="Use a level between 0 and 1, such as 0.95.")
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sign_flip_p(sums: NDArray[np.float64], resamples: int, seed: int) -> float:
    size = len(sums)
    # A flip ties with the data where rounding says it is a hair less.
    reached = abs(sums.sum()) * (1 - 1e-12) - 1e-12
    if size < 63 and 2**size <= resamples:
        flips = 1.0 - 2.0 * ((np.arange(2**size)[:, None] >> np.arange(size)) & 1)
        return float((np.abs(flips @ sums) >= reached).mean())
    rng = np.random.default_rng(seed + 1)
    step = max(1, _STEP // size)
    hits = 0
    for start in range(0, resamples, step):
        flips = 1.0 - 2.0 * rng.integers(0, 2, size=(min(step, resamples - start), size))
        hits += int((np.abs(flips @ sums) >= reached).sum())
    return (1 + hits) / (1 + resamples)
