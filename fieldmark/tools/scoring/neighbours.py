"""Nearest rows among vectors, found block by block, and sums over them: a sparse symmetric graph."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.vectors import image_steps

_ROWS_PER_BLOCK = 1 << 14


@dataclass(frozen=True)
class NeighbourGraph:
    """W + Wᵀ in rows: for each image, those that it is near to and those that are near to it.

    Attributes:
        starts: Where each image's entries begin [N + 1], int64.
        columns: The other image of each entry [E], int64.
        weights: Weight of each entry [E], float32.
    """

    starts: Tensor
    columns: Tensor
    weights: Tensor

    def sums(self, values: Tensor, rows: slice) -> Tensor:
        """Rows of (W + Wᵀ)·values.

        Args:
            values: One row per image [N, C], float32.
            rows: Which rows to compute.

        Returns:
            [n, C] float32; zeros for an image without neighbours.
        """
        starts = self.starts[rows.start : rows.stop + 1]
        first, last = int(starts[0]), int(starts[-1])
        if first == last:
            return values.new_zeros(rows.stop - rows.start, values.shape[1])
        return torch.nn.functional.embedding_bag(
            self.columns[first:last],
            values,
            starts[:-1] - first,
            mode="sum",
            per_sample_weights=self.weights[first:last],
        )


def nearest_rows(queries: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k rows most similar to each query, block by block: never [Q, M] at once.

    Args:
        queries: Unit vectors [Q, D], float32.
        rows: Unit vectors [M, D], of any float type.
        k: How many; fewer where there are not so many rows.

    Returns:
        Row numbers [Q, k] int64, nearest first, and their cosines [Q, k] float32.
    """
    index = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    cosine = queries.new_empty(len(queries), 0)
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK].to(torch.float32)
        here = torch.arange(start, start + len(block), device=queries.device)
        width = min(k, cosine.shape[1] + len(block))
        new_index = index.new_empty(len(queries), width)
        new_cosine = cosine.new_empty(len(queries), width)
        for step in image_steps(len(queries), 4 * (len(block) + width)):
            found = torch.cat([cosine[step], queries[step] @ block.T], dim=1)
            new_cosine[step], place = found.topk(width, dim=1)
            both = torch.cat([index[step], here.expand(len(found), -1)], dim=1)
            new_index[step] = both.gather(1, place)
        index, cosine = new_index, new_cosine
    return index, cosine


def nearest_neighbours(vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k most similar other rows of each row, block by block: never [N, N] at once.

    Args:
        vectors: Unit rows [N, D], float32.
        k: How many; fewer where there are not so many others.

    Returns:
        Their row numbers [N, k] int64, nearest first, and their cosines [N, k] float32.
    """
    count = len(vectors)
    k = max(0, min(k, count - 1))
    index = torch.empty(count, k, dtype=torch.int64, device=vectors.device)
    cosine = vectors.new_empty(count, k)
    for step in image_steps(count, 2 * count):
        cosines = vectors[step] @ vectors.T
        # A row is no neighbour of its own, even where it has exact doubles.
        cosines.diagonal(offset=step.start).fill_(-torch.inf)
        cosine[step], index[step] = cosines.topk(k, dim=1)
    return index, cosine


def neighbour_graph(index: Tensor, weights: Tensor) -> NeighbourGraph:
    """The graph W + Wᵀ, where W[i, index[i, j]] = weights[i, j].

    Args:
        index: Neighbours of each image [N, k], int64.
        weights: Their weights [N, k], float32.
    """
    count, k = index.shape
    here = torch.arange(count, device=index.device).repeat_interleave(k)
    rows = torch.cat([here, index.reshape(-1)])
    order = rows.argsort(stable=True)
    starts = torch.zeros(count + 1, dtype=torch.int64, device=index.device)
    starts[1:] = torch.bincount(rows, minlength=count).cumsum(0)
    return NeighbourGraph(
        starts=starts,
        columns=torch.cat([index.reshape(-1), here])[order],
        weights=weights.reshape(-1).repeat(2)[order],
    )
