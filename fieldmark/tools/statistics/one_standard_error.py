"""The choice that scores on held-out folds justify: the simplest option that is within noise of the best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

TINY = 1e-12
"""The last bits of a mean decide nothing."""


@dataclass(frozen=True)
class SimplestChoice:
    """Which of several options held-out scores speak for.

    Attributes:
        best: Place of the option with the best mean score.
        chosen: Place of the simplest option that is within noise of it.
        shortfalls: For each option, how much it scores less than the best, mean over the folds.
        errors: Standard error of each shortfall over the folds.
    """

    best: int
    chosen: int
    shortfalls: tuple[float, ...]
    errors: tuple[float, ...]


def choose_simplest(scores: ArrayLike) -> SimplestChoice:
    """The simplest option that scores within one standard error of the best.

    The error is that of the difference, fold by fold: that some folds are harder for every option is no noise
    between two of them.

    Source: Breiman et al. 1984, section 3.4.3 (the one-standard-error rule), with paired differences.

    Args:
        scores: Held-out score of every option in every fold `[O, K]`, the simplest option first; higher is
            better. Of a single fold there is no error, and the best is chosen.
    """
    table = np.asarray(scores, dtype=np.float64)
    best = int(table.mean(1).argmax())
    less = table[best] - table
    shortfalls = less.mean(1)
    folds = table.shape[1]
    errors = less.std(1, ddof=1) / np.sqrt(folds) if folds > 1 else np.zeros(len(less))
    chosen = int((shortfalls <= errors + TINY).argmax())
    return SimplestChoice(best, chosen, tuple(shortfalls.tolist()), tuple(errors.tolist()))
