"""One bootstrap, one sign-flip test, and the records of what they find."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError
from fieldmark.records import Record

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""How often each unit is drawn `[r, G]` → values `[..., r]`; NaN where a resample has none."""
STEP = 1 << 23
"""Elements of the largest temporary array."""


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval; all three NaN where the figure is undefined.

    Attributes:
        value: From all data.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def ci95(self) -> tuple[float, float]:
        """Both ends as they are printed, to four digits."""
        return round(self.low, 4), round(self.high, 4)


@dataclass(frozen=True)
class PairedDifference(Interval):
    """A mean difference on the same images or data sets, with a two-sided p.

    Attributes:
        p: Never 0.
    """

    p: float

    @property
    def printed_p(self) -> float:
        """The p as it is printed, to three significant digits."""
        return float(f"{self.p:.3g}")


class Gain(Record):
    """Accuracy of one side minus that of another on the same images, as commands print it."""

    difference: float
    ci95: tuple[float, float]
    p: float

    @classmethod
    def of(cls, found: PairedDifference) -> Self:
        """A difference, rounded."""
        return cls(difference=round(found.value, 4), ci95=found.ci95, p=found.printed_p)


def bootstrap(
    statistic: Statistic,
    units: int,
    *,
    shares: Floats | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Floats:
    """Values of a statistic over resamples of units, drawn with replacement.

    Args:
        statistic: Called with some of the resamples at a time.
        units: How many units there are, and are drawn each time: images, classes or judgements.
        shares: Where units that are alike are drawn as one: the share of each kind `[G]`. Without it each
            unit is a kind of its own.
        resamples: R.
        seed: Seed of the draws. The same seed and shares give the same draws.

    Returns:
        `[..., R]`.

    Raises:
        InputError: If there is no resample.
    """
    if resamples < 1:
        raise InputError(
            f"A bootstrap cannot have {resamples} resamples.", hint="Use at least one; 10,000 is usual."
        )
    if shares is None and units * resamples <= STEP:
        return statistic(_even_draws(units, resamples, seed))
    shares = _even(units) if shares is None else shares
    rng = np.random.default_rng(seed)
    step = max(1, STEP // len(shares))
    parts = [
        statistic(rng.multinomial(units, shares, size=min(step, resamples - start)).astype(np.float64))
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts, axis=-1)


def bootstrap_of_means(replicates: ArrayLike, *, seed: int = 0) -> Floats:
    """Means over resampled data sets `[R]`, where each data set has replicates of its own.

    Args:
        replicates: A figure of each of S data sets over its own resamples `[S, R]`; NaN where undefined.
        seed: Seed of the draws of data sets.

    Returns:
        One mean a resample; NaN where every data set drawn is undefined.
    """
    made = np.asarray(replicates, dtype=np.float64)
    sets, count = made.shape
    which = np.random.default_rng(seed).integers(sets, size=(count, sets))
    drawn = made[which, np.arange(count)[:, None]]
    known = ~np.isnan(drawn)
    means = np.full(count, np.nan)
    return np.divide(
        np.where(known, drawn, 0.0).sum(axis=1), known.sum(axis=1), out=means, where=known.any(axis=1)
    )


def ends(replicates: ArrayLike) -> tuple[float, float]:
    """The 95% percentile interval of replicates `[R]`; NaN among them are left out."""
    low, high = np.nanquantile(np.asarray(replicates, dtype=np.float64), [(1 - 0.95) / 2, (1 + 0.95) / 2])
    return float(low), float(high)


def sign_flip_p(differences: ArrayLike, *, flips: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test that differences are centred on 0.

    Under the null hypothesis the sign of each difference is a coin flip. p = (1 + b) / (1 + B) with b the
    flips whose sum reaches the observed one, so it is never 0. With few enough differences that all 2^G
    flips fit in B, they are enumerated and p is exact.

    Args:
        differences: One for each independent unit `[G]`; NaN are left out, and without any p is 1.
        flips: B.
        seed: Seed of the flips.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    size = len(values)
    # A flip ties with the data where rounding says it is a hair less.
    reached = abs(values.sum()) * (1 - 1e-12) - 1e-12
    if size < 63 and 2**size <= flips:
        signs = 1.0 - 2.0 * ((np.arange(2**size)[:, None] >> np.arange(size)) & 1)
        return float((np.abs(signs @ values) >= reached).mean())
    # The bootstrap of the same seed must not share the stream.
    rng = np.random.default_rng(seed + 1)
    step = max(1, STEP // size)
    hits = 0
    for start in range(0, flips, step):
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=(min(step, flips - start), size))
        hits += int((np.abs(signs @ values) >= reached).sum())
    return (1 + hits) / (1 + flips)


def _even(units: int) -> Floats:
    return np.full(units, 1 / units)


@lru_cache(maxsize=2)
def _even_draws(units: int, resamples: int, seed: int) -> Floats:
    """How often each unit is drawn in each resample `[R, G]`; a table's every row asks for the same."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, _even(units), size=resamples).astype(np.float64)
    drawn.setflags(write=False)
    return drawn
