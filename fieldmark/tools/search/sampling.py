"""Draws the starting points of the class-specific search, and its groups of classes."""

import math
from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

SHARES = (0.25, 0.5, 0.75, 0.9)
"""Shares of its parts that a class keeps in the random starting points."""
EACH_SHARE = 5


def random_subsets(slots: Sequence[Sequence[int]], rng: Random) -> dict[str, list[int]]:
    """Random subsets of a whole book, to start from.

    Source: Qu et al. 2025, section 3.4 (prompt sampling).

    Args:
        slots: For each class, the parts to choose from; each keeps one at least, where it has any.
        rng: The random generator.

    Returns:
        Name → parts; empty where no class has a choice.
    """
    if all(len(slot) < 2 for slot in slots):
        return {}
    return {
        f"{share:.0%} #{number + 1}": [
            part
            for slot in slots
            for part in (rng.sample(slot, max(1, round(share * len(slot)))) if slot else ())
        ]
        for share in SHARES
        for number in range(EACH_SHARE)
    }


def group_size(classes: int) -> int:
    """How many classes are searched together: about 2.5·ln C, at least 2."""
    return max(2, min(classes, round(2.5 * math.log(classes)))) if classes > 1 else 1


def promise_groups(promise: Sequence[float], size: int) -> list[tuple[int, ...]]:
    """The classes whose descriptions promise most, as one group.

    Args:
        promise: For each class, how much better its descriptions do than none.
        size: Classes in the group.
    """
    ranked = sorted(range(len(promise)), key=lambda c: (-promise[c], c))
    return [tuple(sorted(ranked[:size]))]


def confused_groups(logits: Tensor, labels: Tensor, vectors: Tensor, *, size: int) -> list[tuple[int, ...]]:
    """Cut all classes into groups of at most `size` that are mutually confused.

    The affinity of two classes is how often one is among the best five of the other's images, and beyond
    that how near their vectors lie; groups grow greedily from the most confused class, so that each class is
    in exactly one. Ties go to the class that comes first.

    Args:
        logits: Class scores of the training images `[N, C]`.
        labels: True classes `[N]`.
        vectors: Unit class vectors `[C, D]`.
        size: The most classes in a group.
    """
    classes = logits.shape[1]
    five = min(5, classes)
    votes = torch.zeros(classes, classes, dtype=torch.float64)
    best = logits.argsort(dim=1, descending=True, stable=True)[:, :five]
    votes.index_put_(
        (labels[:, None].expand_as(best), best), torch.ones(best.shape, dtype=torch.float64), accumulate=True
    )
    affinity = votes + votes.T + vectors.to(torch.float64) @ vectors.to(torch.float64).T
    affinity.fill_diagonal_(0)
    left = torch.ones(classes, dtype=torch.bool)
    groups: list[tuple[int, ...]] = []
    while bool(left.any()):
        total = affinity.sum(1).masked_fill(~left, -math.inf)
        members = [int(total.argmax())]
        left[members[0]] = False
        while len(members) < size and bool(left.any()):
            nearest = int(affinity[members].sum(0).masked_fill(~left, -math.inf).argmax())
            members.append(nearest)
            left[nearest] = False
        groups.append(tuple(sorted(members)))
    return groups
