"""How alike images are: a walk between nearest neighbours that smooths scores over them."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.neighbours import NeighbourGraph, nearest_neighbours, neighbour_graph
from fieldmark.tools.scoring.vectors import image_steps

AXES = 48
"""Leading principal axes of the pool in which neighbours are sought: the rest is mostly noise of single
images."""
NEIGHBOURS = 10
_STEP_WIDTH = 8


class Likeness:
    """A symmetric walk between the k nearest images, weighed by the cube of their cosine.

    Args:
        vectors: Unit image vectors [N, D] float32.
        classes: How many classes share the images: with few images a class, fewer neighbours are taken.
    """

    def __init__(self, vectors: Tensor, *, classes: int) -> None:
        count = len(vectors)
        size = max(4, count // max(1, classes))
        self._graph: NeighbourGraph | None = None
        self._root = torch.ones(count, 1)
        self._total = torch.ones(count, 1)
        if count < 3:
            return
        axes = torch.nn.functional.normalize(principal_axes(vectors), dim=1)
        index, cosine = nearest_neighbours(axes, min(NEIGHBOURS, max(4, size // 2), count - 1))
        self._graph = neighbour_graph(index, cosine.clamp(min=0) ** 3)
        self._root = self._sums(torch.ones(count, 1)).clamp(min=1e-9).sqrt()
        self._total = (self._sums(1 / self._root) / self._root).clamp(min=1e-9)

    def walked(self, values: Tensor) -> Tensor:
        """The mean of each image's neighbours [N, K], near ones weighing more."""
        if self._graph is None:
            return values
        return self._sums(values / self._root) / self._root / self._total

    def smoothed(self, values: Tensor) -> Tensor:
        """Values [N, K] averaged over neighbours and neighbours' neighbours, half each."""
        return self.walked(0.5 * values + 0.5 * self.walked(values))

    def _sums(self, values: Tensor) -> Tensor:
        graph = self._graph
        if graph is None:
            return values
        steps = image_steps(len(values), _STEP_WIDTH * values.shape[1])
        return torch.cat([graph.sums(values, step) for step in steps])


def principal_axes(vectors: Tensor) -> Tensor:
    """The images on the leading principal axes of the pool [N, min(AXES, D)]."""
    centred = vectors - vectors.mean(0)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, -min(AXES, vectors.shape[1]) :]
