"""How good candidate sets are: their size, and how often they hold the true class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fieldmark.errors import InputError
from fieldmark.evals.metrics.accuracy import class_numbers


@dataclass(frozen=True)
class CandidateSets:
    """How candidate sets do.

    Attributes:
        size: Mean number of candidates of an image.
        coverage: Share of images whose candidates hold the true class.
    """

    size: float
    coverage: float


def candidate_sets(candidates: ArrayLike, labels: ArrayLike) -> CandidateSets:
    """Size and coverage of candidate sets.

    Args:
        candidates: Classes that each image may still be [N, C] bool.
        labels: True classes [N], integers in 0..C-1.

    Raises:
        InputError: If shapes do not fit or there is no image.
    """
    sets = np.asarray(candidates)
    if sets.ndim != 2 or sets.dtype != np.bool_ or not len(sets):
        raise InputError(
            f"Candidates {sets.shape} ({sets.dtype}).",
            hint="Give one bool per image and class, at least one image.",
        )
    truth = class_numbers(labels, images=len(sets), classes=sets.shape[1])
    covered = np.take_along_axis(sets, truth[:, None], axis=1)
    return CandidateSets(float(sets.sum(axis=1).mean()), float(covered.mean()))
