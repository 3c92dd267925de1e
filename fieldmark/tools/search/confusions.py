"""Finds the classes that a book confuses on the training images, most confused first."""

from dataclasses import dataclass

import torch
from torch import Tensor

JOINS = 0.25
"""A class joins a group whose leading pair is confused at most so many times as much."""


@dataclass(frozen=True)
class Confusions:
    """How the training images of each class do against each other class.

    Attributes:
        wrong: int64 `[C, C]`: images of class c (row) that were taken for class r (column); 0 for r = c.
        images: int64 `[C]`: images of each class.
        share: float64 `[C, C]`: mean probability that the images of c give to r; 0 for r = c.
    """

    wrong: Tensor
    images: Tensor
    share: Tensor


def count_confusions(logits: Tensor, labels: Tensor) -> Confusions:
    """Count confusions.

    Args:
        logits: Class scores of the training images `[N, C]`, scaled for a softmax.
        labels: True classes `[N]`.
    """
    classes = logits.shape[1]
    images = torch.bincount(labels, minlength=classes)
    cells = labels * classes + logits.argmax(1)
    wrong = torch.bincount(cells, minlength=classes * classes).reshape(classes, classes).fill_diagonal_(0)
    share = torch.zeros(classes, classes, dtype=torch.float64)
    share.index_add_(0, labels, torch.softmax(logits.to(torch.float64), 1))
    share = share / images.clamp_min(1)[:, None]
    return Confusions(wrong, images, share.fill_diagonal_(0))


def confused_sets(confusions: Confusions, *, size: int) -> list[tuple[int, ...]]:
    """Groups of classes that are taken for one another, the most confused first; no class is in two.

    An image that was taken for another class outweighs any that was only nearly.

    Args:
        confusions: What was counted.
        size: The most classes in a group.
    """
    one_way = 4.0 * confusions.wrong + confusions.share
    affinity = one_way + one_way.T
    groups: list[tuple[int, ...]] = []
    left = affinity.clone()
    while left.numel() and float(left.max()) > 0:
        cell = int(left.argmax())
        members = list(divmod(cell, left.shape[1]))
        bar = JOINS * float(left.max())
        while len(members) < size:
            nearest = left[members].max(0).values
            nearest[members] = -1.0
            joins = int(nearest.argmax())
            if float(nearest[joins]) < bar or float(nearest[joins]) <= 0:
                break
            members.append(joins)
        left[members] = 0.0
        left[:, members] = 0.0
        groups.append(tuple(members))
    return groups
