"""Draws stratified folds of labelled images."""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from fieldmark.errors import InputError


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
            hint="Give more shots or fewer folds.",
        )


def draw_folds(labels: Tensor, folds: int, rng: Random) -> Tensor:
    """Deal the images of every class to the folds, as evenly as they go.

    Args:
        labels: Class of each image `[N]` int64.
        folds: How many folds, at least 2.
        rng: The random generator.

    Returns:
        Fold of each image `[N]` int64, from 0. No two folds differ by more than one image of a class, nor by
        more than one image in all.
    """
    fold = torch.empty(len(labels), dtype=torch.int64)
    dealt = 0
    for label in sorted(set(labels.tolist())):
        places: list[int] = (labels == label).nonzero()[:, 0].tolist()
        rng.shuffle(places)
        # The next class goes on where this one ended: else the first folds would get every odd image.
        fold[places] = (torch.arange(len(places)) + dealt) % folds
        dealt += len(places)
    return fold
