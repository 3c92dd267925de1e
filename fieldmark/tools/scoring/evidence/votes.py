"""How often votes are right on this pool, without a label: two halves of the attributes that agree."""

from collections.abc import Callable

import torch
from torch import Tensor

Votes = Callable[[Tensor | None], Tensor]
"""Attributes [m] int64, or None for all, to class scores [N, C] by the votes on these attributes alone."""
SPLITS = 2
_BISECTIONS = 50


def votes_accuracy(votes: Votes, *, attributes: int, classes: int) -> float:
    """Estimated top-1 of the votes: the agreement of disjoint halves of the attributes.

    A half is right with about the root of the agreement beyond chance. Each half is scaled until its mean
    confidence is that; the product of the two independent halves has the confidence that is returned.

    Args:
        votes: Scores by votes.
        attributes: How many there are; with fewer than two nothing can be compared, and 1/C is returned.
        classes: C.

    Returns:
        A share in 1/C..1, the mean over two random splits.
    """
    if attributes < 2 or classes < 2:
        return 1 / max(1, classes)
    total: Tensor | float = 0.0
    for seed in range(SPLITS):
        order = torch.randperm(attributes, generator=torch.Generator().manual_seed(seed))
        halves = votes(order[: attributes // 2]), votes(order[attributes // 2 :])
        agree = float((halves[0].argmax(1) == halves[1].argmax(1)).float().mean())
        right = max((agree - 1 / classes) / (1 - 1 / classes), 1e-3) ** 0.5
        total = total + sum(scale_for(half, right) * half for half in halves) / SPLITS
    return float(torch.as_tensor(total).softmax(1).max(1).values.mean())


def scale_for(scores: Tensor, confidence: float) -> float:
    """The factor at which the mean largest probability of scores [N, C] is `confidence`, in .001..1000."""
    low, high = 1e-3, 1e3
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        if (scores * middle).softmax(1).max(1).values.mean() > confidence:
            high = middle
        else:
            low = middle
    return (low * high) ** 0.5
