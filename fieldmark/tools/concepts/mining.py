"""Chooses images to label: no near-duplicates, diverse, uncertain."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.tools.scoring.merge import Meanings, cluster

NEAR_DUPLICATE = 0.985
"""Images with at least this cosine show the same thing, as far as a person labelling them cares."""
SAME_MEANING = 0.4
"""Texts whose centred vectors have at least this mean cosine say the same."""


def distinct_rows(vectors: Tensor) -> list[int]:
    """Rows left after near-duplicates of an earlier row are dropped.

    Args:
        vectors: Unit vectors `[M, D]`, the ones to keep first.

    Returns:
        Rows in ascending order; memory grows with the square of M, so give candidates, not whole pools.
    """
    close = vectors @ vectors.T >= NEAR_DUPLICATE
    kept: list[int] = []
    covered = torch.zeros(len(vectors), dtype=torch.bool)
    for row in range(len(vectors)):
        if not covered[row]:
            kept.append(row)
            covered |= close[row]
    return kept


def rows_apart(vectors: Tensor, rows: Sequence[int], others: Sequence[int]) -> list[int]:
    """Rows that are no near-duplicate of any of others, in order.

    Args:
        vectors: Unit vectors `[N, D]`.
        rows: Those to choose from.
        others: Those to keep away from; a blind test, for one.
    """
    if not others or not rows:
        return list(rows)
    nearest = (vectors[list(rows)] @ vectors[list(others)].T).amax(1)
    return [row for row, like in zip(rows, nearest.tolist(), strict=True) if like < NEAR_DUPLICATE]


def diverse_rows(
    vectors: Tensor, count: int, *, worth: Tensor | None = None, near: Tensor | None = None
) -> list[int]:
    """Greedy farthest-first choice: each next row is the one least like those chosen.

    Source: Gonzalez 1985 (k-center); with `worth`, distance times worth, as in Agile Modeling's choice of
    uncertain *and* diverse images.

    Args:
        vectors: Unit vectors `[M, D]`.
        count: How many rows.
        worth: Non-negative `[M]`: how much each row is wanted; all alike where not given. Rows worth nothing
            are never chosen.
        near: Unit vectors `[L, D]` of what was chosen before, to keep away from.

    Returns:
        Rows in the order chosen; fewer where fewer are worth anything.
    """
    size = len(vectors)
    worth = torch.ones(size) if worth is None else worth.to(torch.float32)
    distance = torch.full((size,), 2.0)
    if near is not None and len(near):
        distance = 1 - (vectors @ near.T).amax(1)
    chosen: list[int] = []
    left = worth > 0
    while len(chosen) < count and bool(left.any()):
        # A copy of a chosen row is at distance 0, yet worth more than nothing where only copies are left.
        gain = (distance.clamp_min(1e-6) * worth).masked_fill(~left, -1.0)
        row = int(gain.argmax())
        chosen.append(row)
        left[row] = False
        distance = torch.minimum(distance, 1 - vectors @ vectors[row])
    return chosen


def uncertainty(p: Tensor) -> Tensor:
    """How uncertain probabilities are: 1 at one half, 0 at 0 and 1; 0 where there is none (NaN)."""
    return (1 - (2 * p - 1).abs()).nan_to_num(0.0)


def groups_by_meaning(vectors: Tensor) -> list[list[int]]:
    """Group texts that say the same.

    Args:
        vectors: Text vectors `[M, D]`, not centred.

    Returns:
        Members of each group, the largest group first; among equals the one that begins first.
    """
    if not len(vectors):
        return []
    everything: Sequence[int] = range(len(vectors))
    owner = cluster(Meanings(vectors).similarity(slice(None), everything), threshold=SAME_MEANING)
    groups: list[list[int]] = [[] for _ in range(max(owner) + 1)]
    for member, group in enumerate(owner):
        groups[group].append(member)
    return sorted(groups, key=lambda members: (-len(members), members[0]))
