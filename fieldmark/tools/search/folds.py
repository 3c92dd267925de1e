"""Folds of labelled images, and the choice that scores on held-out folds justify.

It knows nothing of searches, prompts or files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fieldmark.errors import InputError


@dataclass(frozen=True)
class Chosen:
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


def check_folds(labels: Sequence[str], folds: int) -> None:
    """Refuse folds that some class has too few images for.

    Args:
        labels: Class name of every training image.
        folds: How many folds; 0 asks for none.

    Raises:
        InputError: A class that has images has fewer than `folds`.
    """
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    short = [name for name, count in counts.items() if count < folds]
    if short:
        named = ", ".join(f"{name} ({counts[name]})" for name in short[:3])
        raise InputError(
            f"{folds} folds need {folds} usable training images a class; fewer: {named}"
            f"{f' and {len(short) - 3} more' if len(short) > 3 else ''}.",
            hint="Give more --shots or fewer --folds.",
        )


def draw_folds(labels: Tensor, folds: int, chance: Random) -> Tensor:
    """Deal the images of every class to the folds, as evenly as they go.

    Args:
        labels: Class of each image `[N]` int64.
        folds: How many folds, at least 2.
        chance: Where chance comes from.

    Returns:
        Fold of each image `[N]` int64, from 0. No two folds differ by more than one image of a class, nor by
        more than one image in all.
    """
    fold = torch.empty(len(labels), dtype=torch.int64)
    dealt = 0
    for label in sorted(set(labels.tolist())):
        places: list[int] = (labels == label).nonzero()[:, 0].tolist()
        chance.shuffle(places)
        # The next class goes on where this one ended: else the first folds would get every odd image.
        fold[places] = (torch.arange(len(places)) + dealt) % folds
        dealt += len(places)
    return fold


def choose_simplest(scores: ArrayLike) -> Chosen:
    """The simplest option that scores within one standard error of the best.

    The error is that of the difference, fold by fold: that some folds are harder for every option is no noise
    between two of them.

    Source: Breiman et al. 1984, section 3.4.3 (the one-standard-error rule), with paired differences.

    Args:
        scores: Held-out score of every option in every fold `[O, K]`, the simplest option first, K ≥ 2;
            higher is better.
    """
    table = np.asarray(scores, dtype=np.float64)
    best = int(table.mean(1).argmax())
    less = table[best] - table
    shortfalls = less.mean(1)
    errors = less.std(1, ddof=1) / np.sqrt(table.shape[1])
    chosen = int(np.flatnonzero(shortfalls <= errors)[0])
    return Chosen(best, chosen, tuple(shortfalls.tolist()), tuple(errors.tolist()))
