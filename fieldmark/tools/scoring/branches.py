"""The smallest branch of a tree that an image belongs to with enough probability."""

from typing import NamedTuple

import torch
from torch import Tensor

from fieldmark.errors import InputError

ROUNDING = 1e-6
"""Sums of float32 shares may miss 1 by this much."""


class SmallestBranch(NamedTuple):
    """A branch for each image.

    Attributes:
        branch: Place of the branch `[N]` int64, -1 where none is probable enough.
        probability: Probability of that branch `[N]` float32, 0 where there is none.
    """

    branch: Tensor
    probability: Tensor


def smallest_branch(probabilities: Tensor, membership: Tensor, *, risk: float) -> SmallestBranch:
    """The branch with the fewest classes whose probability is at least 1 - risk.

        P = probabilities @ membership    [N, B]
        b = argmin over {b: P_b >= 1 - risk} of the branch's size

    Of branches of one size the likelier one is taken, and the first of equals. Below a risk of one half all
    branches that qualify lie within each other.

    Source: Deng et al. 2012 (Hedging your bets), for the trade of accuracy against specificity.

    Args:
        probabilities: Class probabilities `[N, C]`, each row with a sum of at most 1.
        membership: Classes of each branch `[C, B]`, 1 or 0.
        risk: The most probability of a wrong branch, in (0, 1).

    Raises:
        InputError: Shapes do not fit.
    """
    if probabilities.ndim != 2 or membership.ndim != 2 or probabilities.shape[1] != len(membership):
        raise InputError(
            f"Branches {tuple(membership.shape)} do not fit probabilities {tuple(probabilities.shape)}.",
            hint="Give one row for each class.",
        )
    images, branches = len(probabilities), membership.shape[1]
    if not branches:
        return SmallestBranch(torch.full((images,), -1), torch.zeros(images))
    likely = probabilities.to(torch.float32) @ membership.to(torch.float32)
    enough = likely >= 1 - risk - ROUNDING
    size = membership.sum(0).expand_as(likely).masked_fill(~enough, torch.inf)
    smallest = enough & (size == size.min(1, keepdim=True).values)
    best = likely.masked_fill(~smallest, -1.0).max(1)
    found = enough.any(1)
    return SmallestBranch(
        torch.where(found, best.indices, -1), torch.where(found, best.values, 0.0).clamp(max=1.0)
    )
