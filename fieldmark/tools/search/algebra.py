"""Scores candidates by what an edit changes: one vector added or taken away, a few columns of the logits.

It knows nothing of texts, of where units come from or of what makes one candidate better than another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.search.candidates import Candidate, Edit
from fieldmark.tools.search.changes import Changes, Integers

MOST_ELEMENTS = 1 << 21
"""Elements of the largest temporary, float64: 16 MB, which caches still like."""
_TINY = 1e-12


@dataclass(frozen=True)
class Parts:
    """The vectors behind the parts of a menu.

    A part holds K units, each a mean of text vectors that counts for one class: K = 1 for a unit of one
    class, K = C for a template, which stands for one text in every class.

    Attributes:
        vectors: float64 `[P, K, D]`; not of unit length where a unit has several texts.
        columns: int64 `[P, K]`: the place, among the arena's moving columns, of the class of each unit.
    """

    vectors: Tensor
    columns: Tensor


@dataclass(frozen=True)
class Outcomes:
    """How candidates do on the training images.

    Attributes:
        rank: int64 `[B, N]`: how many wrong classes score at least as high as the true one; 0 is right.
        loss: float64 `[B, N]`: cross-entropy in nats.
        size: float64 `[B]`: parts a candidate holds.
    """

    rank: Tensor
    loss: Tensor
    size: Tensor


@dataclass(frozen=True)
class Rest:
    """The columns that stand still while others move.

    Attributes:
        logits: float64 `[N, R]`, sorted along each row.
        total: float64 `[N]`: log of the sum of their exponentials.
        true: float64 `[N]`: the logit of the true class where it is one of them, else 0.
    """

    logits: Tensor
    total: Tensor
    true: Tensor


@dataclass(frozen=True)
class Parents:
    """Candidates that edits start from, summed anew from their parts.

    Attributes:
        dots: float64 `[Q, M, N]`: dot products of each moving class's sum of unit vectors with the images.
        grams: float64 `[Q, U]`: dot product of each unit with the sum of its class.
        squares: float64 `[Q, M]`: squared length of each class's sum.
        sizes: float64 `[Q]`.
    """

    dots: Tensor
    grams: Tensor
    squares: Tensor
    sizes: Tensor


class Arena:
    """Training images, the parts that may move, and the columns that stand still.

    A class's weight vector is the sum of its units scaled to length one (the prototype rule), so the number
    of units cancels out. The sum itself is never needed: its dot products with the images and its length are.
    Both are kept for the parents, and an edit adds or subtracts what one unit contributes to them: its dot
    products with the N images and with the units of its class, computed once.

    Args:
        images: Unit vectors `[N, D]`.
        labels: True class of each image `[N]`, among all C classes.
        parts: The parts, their columns counted among `moving`.
        moving: The classes whose columns may move `[M]`, ascending.
        still: Logits `[N, C]` of the book around them; columns in `moving` are not read. May be left out
            where every class moves.
        scale: What cosines are multiplied with.
        classes: C.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        parts: Parts,
        moving: Sequence[int],
        scale: float,
        classes: int,
        still: Tensor | None = None,
    ) -> None:
        if not len(images):
            raise InputError("A search needs training images.", hint="Give at least one labelled image.")
        if still is None and len(moving) != classes:
            raise InputError("Logits of the classes that stand still are missing.")
        self.scale = scale
        self.moving = list(moving)
        self._images = len(images)
        place = torch.full((classes,), -1, dtype=torch.int64)
        place[torch.tensor(self.moving, dtype=torch.int64)] = torch.arange(len(self.moving))
        self._true = place[labels]  # column of the true class among the moving ones, -1 if it stands still
        self._rest = _rest(still, labels, place) if still is not None and len(moving) < classes else None
        # Units are the rows of parts laid end to end: part p holds the units p·K … p·K + K − 1.
        self._each = parts.columns.shape[1]
        column = parts.columns.reshape(-1)
        vectors = parts.vectors.reshape(len(column), -1).to(torch.float64)
        seat, self._given = _contributions(vectors, column, len(self.moving), images)
        # The arithmetic of places is numpy's, whose many small steps cost less; vectors are torch's.
        self._column, self._seat = column.numpy(), seat.numpy()

    def parents(self, candidates: Sequence[Candidate]) -> Parents:
        """Sum candidates up anew: whatever edits led to them, no rounding error is handed on."""
        moving, count = len(self.moving), len(candidates)
        sizes = np.array([len(candidate.parts) for candidate in candidates], dtype=np.int64)
        flat = chain.from_iterable(candidate.parts for candidate in candidates)
        unit = self._units(np.fromiter(flat, np.int64, int(sizes.sum())))
        owner = np.arange(count).repeat(sizes * self._each)
        cell = owner * moving + self._column[unit]
        order = cell.argsort(kind="stable")
        counts = np.bincount(cell, minlength=count * moving)
        sums = _summed(unit[order], np.ones(len(unit)), counts.cumsum() - counts, self._given)
        total = sums.reshape(count, moving, -1)
        grams = total[:, self._column, self._images + self._seat]
        squares = torch.zeros(count * moving, dtype=torch.float64)
        squares.index_add_(0, torch.from_numpy(cell), grams[owner, unit])
        dots = total[..., : self._images].contiguous()
        return Parents(
            dots, grams, squares.reshape(count, moving), torch.from_numpy(sizes.astype(np.float64))
        )

    def outcomes(self, parents: Parents) -> Outcomes:
        """How the parents themselves do."""
        return self._read(self._logits(parents), parents.sizes)

    def logits(self, parents: Parents) -> Tensor:
        """Logits of the moving classes `[Q, N, M]` float64."""
        return self._logits(parents).transpose(1, 2)

    def score(self, parents: Parents, edits: Sequence[Edit] | Changes) -> Iterator[Outcomes]:
        """Score edited candidates, as many at a time as memory is meant to hold.

        Yields:
            Outcomes of the edits in order, batch by batch.
        """
        changes = edits if isinstance(edits, Changes) else Changes.of(edits)
        logits = self._logits(parents)
        moving = len(self.moving)
        # Of each edit: all logits, and for each class that it changes a row of sums.
        rows = np.minimum(changes.sizes * self._each, moving)
        elements = (self._images * moving + rows * self._given.shape[1]).cumsum()
        start = 0
        while start < len(changes):
            before = int(elements[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(elements, before + MOST_ELEMENTS, side="right")))
            yield self._score(parents, logits, changes.between(start, end))
            start = end

    def _score(self, parents: Parents, before: Tensor, changes: Changes) -> Outcomes:
        moving, images = len(self.moving), self._images
        owner = np.arange(len(changes)).repeat(changes.sizes * self._each)
        unit = self._units(changes.part)
        cell = owner * moving + self._column[unit]
        # Parts mostly stand in the order of their classes: this sort takes such runs as they are.
        order = cell.argsort(kind="stable")
        cell, unit, sign = cell[order], unit[order], changes.sign().repeat(self._each)[order]
        # One row for each (candidate, class) that changes, however many units change it.
        begins = np.ones(len(cell), dtype=np.bool_)
        begins[1:] = cell[1:] != cell[:-1]
        starts = np.flatnonzero(begins)
        row, cells = begins.cumsum() - 1, cell[starts]
        change = _summed(unit, sign, starts, self._given)
        whose = changes.parent[cells // moving]
        line = torch.from_numpy(whose * moving + cells % moving)
        # |s + d|² = |s|² + Σ ±(2 u·s + u·d) over the units u that make up the change d.
        along = parents.grams.numpy().take(whose[row] * len(self._column) + unit)
        among = change.numpy().take(row * change.shape[1] + images + self._seat[unit])
        longer = torch.from_numpy(sign * (2 * along + among))
        square = parents.squares.reshape(-1)[line].index_add_(0, torch.from_numpy(row), longer)
        dots = parents.dots.reshape(-1, images)[line].add_(change[:, :images])
        parent = torch.from_numpy(changes.parent)
        logits = before[parent]
        moved = self.scale * dots / square.clamp_min(_TINY).sqrt()[:, None]
        logits.reshape(-1, images)[torch.from_numpy(cells)] = moved
        return self._read(logits, parents.sizes[parent] + torch.from_numpy(changes.added - changes.removed))

    def _units(self, parts: Integers) -> Integers:
        if self._each == 1:
            return parts
        return (parts[:, None] * self._each + np.arange(self._each)).reshape(-1)

    def _logits(self, parents: Parents) -> Tensor:
        """Logits of the moving classes `[Q, M, N]`."""
        return self.scale * parents.dots / parents.squares.clamp_min(_TINY).sqrt()[..., None]

    def _read(self, logits: Tensor, sizes: Tensor) -> Outcomes:
        """Ranks and losses out of the moving logits `[B, M, N]` and the columns that stand still."""
        here = self._true >= 0
        column = self._true.clamp_min(0).expand(len(logits), 1, -1)
        true = logits.gather(1, column)[:, 0]
        if self._rest is not None:
            true = torch.where(here, true, self._rest.true)
        # A tie with a wrong class counts as lost: equal texts must not look like a right answer.
        rank = (logits >= true[:, None]).sum(1)
        total = torch.logsumexp(logits, 1)
        if self._rest is not None:
            total = torch.logaddexp(total, self._rest.total)
            below = torch.searchsorted(self._rest.logits, true.T.contiguous())
            rank += self._rest.logits.shape[1] - below.T
        return Outcomes(rank=rank - 1, loss=total - true, size=sizes)


def read_outcomes(logits: Tensor, labels: Tensor, sizes: Tensor) -> Outcomes:
    """Outcomes of whole books from their logits.

    Args:
        logits: Class scores `[B, N, C]`.
        labels: True classes `[N]`.
        sizes: Parts of each book `[B]`.
    """
    true = logits.gather(2, labels.expand(len(logits), -1)[..., None])
    rank = (logits >= true).sum(2) - 1
    return Outcomes(rank=rank, loss=torch.logsumexp(logits, 2) - true[..., 0], size=sizes)


def _summed(unit: Integers, sign: npt.NDArray[np.float64], starts: Integers, given: Tensor) -> Tensor:
    """Signed sums of the units' contributions `[rows, N + S]`; row r has the units from `starts[r]` on."""
    if not len(starts):
        return given.new_zeros(0, given.shape[1])
    units, begins, weights = (torch.from_numpy(each) for each in (unit, starts, sign))
    return torch.nn.functional.embedding_bag(units, given, begins, mode="sum", per_sample_weights=weights)


def _contributions(vectors: Tensor, column: Tensor, moving: int, images: Tensor) -> tuple[Tensor, Tensor]:
    """What each unit adds to its class: dot products with all images, then with the units of that class.

    Returns:
        The seat of each unit among those of its class `[U]`, and float64 `[U, N + S]` with S the most units
        of any class.
    """
    order = column.argsort(stable=True)
    counts = torch.bincount(column, minlength=moving)
    first = counts.cumsum(0) - counts
    seat = torch.empty_like(column)
    seat[order] = torch.arange(len(column)) - first[column[order]]
    given = torch.zeros(len(column), len(images) + int(counts.max()), dtype=torch.float64)
    given[:, : len(images)] = vectors @ images.to(torch.float64).T
    for m in range(moving):
        own = order[int(first[m]) : int(first[m] + counts[m])]
        given[own, len(images) : len(images) + len(own)] = vectors[own] @ vectors[own].T
    return seat, given


def _rest(still: Tensor, labels: Tensor, place: Tensor) -> Rest:
    logits = still.to(torch.float64)
    true = logits.gather(1, labels[:, None])[:, 0]
    apart = logits[:, place < 0]
    return Rest(
        logits=apart.sort(1).values.contiguous(),
        total=torch.logsumexp(apart, 1),
        true=torch.where(place[labels] < 0, true, torch.zeros_like(true)),
    )
