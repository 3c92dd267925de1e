"""Finds the nearest of many unit vectors: exactly, block by block, or by an index with exact rescoring."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import Rows

BLOCK = 1 << 13
"""Rows that one matrix product takes at a time: 16 MiB of vectors of 512 numbers."""
LOOKED_AT = 64
"""Lists of the index that are looked into for each query; more find more, and take longer."""
RESCORED = 20
"""For each hit that is wanted so many are taken from the index and scored exactly."""
_LEARNED_FROM = 64
"""Vectors that each list of the index is learned from."""


@dataclass(frozen=True)
class Hits:
    """The best rows for each query, best first.

    Attributes:
        scores: float32 `[Q, K]` cosines.
        rows: int64 `[Q, K]` places in the pool.
    """

    scores: Tensor
    rows: Tensor


def nearest(vectors: Rows, queries: Tensor, k: int, *, without: Sequence[int] = ()) -> Hits:
    """The `k` nearest rows of each query, exactly.

    Args:
        vectors: N unit vectors, in memory or in a file that is read block by block.
        queries: `[Q, D]` vectors; rows need not be unit.
        k: How many; fewer come back where there are fewer.
        without: Rows that must not come back.

    Returns:
        Scores and rows; among equal scores the lower row comes first within a block.
    """
    left_out = torch.zeros(len(vectors), dtype=torch.bool)
    left_out[list(without)] = True
    k = min(k, int((~left_out).sum()))
    unit = torch.nn.functional.normalize(queries.to(torch.float32), dim=1)
    scores, rows = unit.new_empty(len(unit), 0), torch.empty(len(unit), 0, dtype=torch.int64)
    for start in range(0, len(vectors) if k else 0, BLOCK):
        block = unit @ vectors[start : start + BLOCK].T
        if without:
            block.masked_fill_(left_out[start : start + BLOCK], -torch.inf)
        if scores.shape[1] < k:
            best = block.topk(min(k, block.shape[1]), dim=1)
            values, places = best.values, best.indices
        else:
            values, places = _above(block, scores[:, -1:])
        scores = torch.cat([scores, values], 1)
        rows = torch.cat([rows, places + start], 1)
        kept = scores.topk(min(k, scores.shape[1]), dim=1)
        scores, rows = kept.values, rows.gather(1, kept.indices)
    return Hits(scores, rows)


def _above(block: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """What lies above the least of the hits so far: scores and places [Q, m], -inf and 0 where there is less.

    After a few blocks that is next to nothing, and one comparison costs far less than a selection.

    Args:
        block: Scores [Q, n].
        least: The worst hit of each query [Q, 1].
    """
    query, place = (block > least).nonzero(as_tuple=True)
    counts = query.bincount(minlength=len(block))
    most = int(counts.max()) if len(counts) else 0
    column = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    values = block.new_full((len(block), most), -torch.inf)
    places = torch.zeros(len(block), most, dtype=torch.int64)
    values[query, column] = block[query, place]
    places[query, column] = place
    return values, places


class VectorIndex:
    """An index over very many unit vectors (FAISS, IVF-PQ); what it finds is scored exactly.

    It may miss some of the nearest: see the documentation for how many. Coarse lists, 4 √N of them, are
    learned by k-means, and what is left of a vector is kept in D / 8 bytes (Jégou et al. 2011).

    Args:
        vectors: N unit vectors float32 `[N, D]`; they are kept for rescoring.

    Raises:
        InputError: faiss is not installed.
    """

    def __init__(self, vectors: Tensor) -> None:
        faiss = _faiss()
        count, width = vectors.shape
        lists = max(1, round(4 * math.sqrt(count)))
        parts = max(part for part in range(1, max(2, width // 8 + 1)) if width % part == 0)
        self._vectors = vectors
        self._index = faiss.index_factory(width, f"IVF{lists},PQ{parts}", faiss.METRIC_INNER_PRODUCT)
        chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        self._index.train(vectors[chosen[: _LEARNED_FROM * lists]].numpy())
        for start in range(0, count, BLOCK):
            self._index.add(vectors[start : start + BLOCK].numpy())
        self._index.nprobe = min(LOOKED_AT, lists)

    def nearest(self, queries: Tensor, k: int, *, without: Sequence[int] = ()) -> Hits:
        """See `nearest`. A query for which the index finds too few is answered exactly."""
        out = torch.tensor(sorted(set(without)), dtype=torch.int64)
        k = min(k, len(self._vectors) - len(out))
        unit = torch.nn.functional.normalize(queries.to(torch.float32), dim=1)
        _, found = self._index.search(unit.numpy(), min(RESCORED * k + len(out), len(self._vectors)))
        rows = torch.from_numpy(found)
        missing = (rows < 0) | torch.isin(rows, out)
        scores = torch.stack(
            [self._vectors[own.clamp(min=0)] @ query for own, query in zip(rows, unit, strict=True)]
        ).masked_fill_(missing, -torch.inf)
        best = scores.topk(k, dim=1)
        hits = Hits(best.values, rows.gather(1, best.indices))
        few = hits.scores.isinf().any(1).nonzero()[:, 0]
        if len(few):
            exact = nearest(self._vectors, unit[few], k, without=without)
            hits.scores[few], hits.rows[few] = exact.scores, exact.rows
        return hits


def faiss_installed() -> bool:
    """Whether an index can be made."""
    try:
        _faiss()
    except InputError:
        return False
    return True


def _faiss() -> Any:
    # faiss ships no types
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise InputError(
            "An index over vectors needs the package faiss.",
            hint='Install it: pip install "fieldmark[faiss]".',
        ) from None
