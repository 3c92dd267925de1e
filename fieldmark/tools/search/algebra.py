"""Scores candidates by what an edit changes: one vector added or taken away, a few columns of the logits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit
from fieldmark.tools.search.changes import Changes, Integers

MOST_ELEMENTS = 1 << 21
"""Elements of the largest temporary, float64: 16 MB, which caches still like."""
_TINY = 1e-12
_MOST_SCALE = 350.0
"""Where logits lie further apart than twice this, exponentials of differences leave the range of float64."""

Floats = npt.NDArray[np.float64]


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
        size: float64 `[B]`: parts a candidate holds, those that stand still among them.
    """

    rank: Tensor
    loss: Tensor
    size: Tensor


@dataclass(frozen=True)
class Rest:
    """The columns that stand still while others move.

    Attributes:
        logits: float64 `[H, R]`, of the H images whose true class moves.
        total: float64 `[N]`: log of the sum of the exponentials of the columns that stand still.
        true: float64 `[N]`: the logit of the true class where it is one of them, else 0.
        rank: int64 `[N]`: where the true class is one of them, how many of them score at least as high.
    """

    logits: Floats
    total: Floats
    true: Floats
    rank: Integers


@dataclass(frozen=True)
class Parents:
    """Candidates that edits start from, each summed from its parts.

    Attributes:
        dots: float64 `[Q, M, N]`: dot products of each moving class's sum of unit vectors with the images.
        grams: float64 `[Q, U]`: dot product of each unit with the sum of its class.
        squares: float64 `[Q, M]`: squared length of each class's sum.
        sizes: int64 `[Q]`: parts of the whole book.
    """

    dots: Floats
    grams: Floats
    squares: Floats
    sizes: Integers


class Arena:
    """Training images, the parts that may move, and the columns that stand still.

    A class's weight vector is the sum of its units scaled to length one (the prototype rule), so the number
    of units cancels out. The sum itself is never needed: its dot products with the images and its length are.
    Both are kept for the parents, and an edit adds or subtracts what one unit contributes to them: its dot
    products with the N images and with the units of its class, computed once.

    Args:
        images: Unit vectors `[N, D]`; the attribute `images` is their number, N.
        labels: True class of each image `[N]`, among all C classes.
        parts: The parts, their columns counted among `moving`.
        moving: The classes whose columns may move `[M]`, ascending.
        still: Logits `[N, C]` of the book around them; columns in `moving` are not read. May be left out
            where every class moves.
        scale: What cosines are multiplied with.
        classes: C.
        standing: Parts of the classes that stand still; they count in the size of a candidate.
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
        standing: int = 0,
    ) -> None:
        if not len(images):
            raise InputError("A search needs training images.", hint="Give at least one labelled image.")
        if still is None and len(moving) != classes:
            raise InputError("Logits of the classes that stand still are missing.")
        self.scale = scale
        self.moving = list(moving)
        self.images, self._standing = len(images), standing
        place = torch.full((classes,), -1, dtype=torch.int64)
        place[torch.tensor(self.moving, dtype=torch.int64)] = torch.arange(len(self.moving))
        true = place[labels].numpy()  # column of the true class among the moving ones, -1 if it stands still
        self._here = np.flatnonzero(true >= 0)
        self._true = true[self._here] * len(images) + self._here  # place in the logits [M, N] of a candidate
        self._rest = _rest(still, labels, place) if still is not None and len(moving) < classes else None
        # Units are the rows of parts laid end to end: part p holds the units p·K … p·K + K − 1.
        self._each = parts.columns.shape[1]
        column = parts.columns.reshape(-1)
        vectors = parts.vectors.reshape(len(column), -1).to(torch.float64)
        seat, self._given = _contributions(vectors, column, len(self.moving), images)
        # Small arrays are numpy's, whose many small steps cost less; sums and exponentials are torch's.
        self._column, self._seat = column.numpy(), seat.numpy()
        self._known: dict[tuple[int, ...], Parents] = {}

    def parents(self, candidates: Sequence[PromptCandidate]) -> Parents:
        """Sum candidates up from their parts: whatever edits led to them, no rounding error is handed on."""
        known = {each.parts: self._known.get(each.parts) or self._sum(each.parts) for each in candidates}
        self._known = known  # most parents live on to the next generation
        each = [known[candidate.parts] for candidate in candidates]
        return Parents(
            dots=np.concatenate([one.dots for one in each]),
            grams=np.concatenate([one.grams for one in each]),
            squares=np.concatenate([one.squares for one in each]),
            sizes=np.concatenate([one.sizes for one in each]),
        )

    def _sum(self, parts: tuple[int, ...]) -> Parents:
        moving = len(self.moving)
        unit = self._units(np.array(parts, dtype=np.int64))
        column = self._column[unit]
        order = column.argsort(kind="stable")
        counts = np.bincount(column, minlength=moving)
        starts = counts.cumsum() - counts
        with _one_thread():
            total = _summed(unit[order], np.ones(len(unit)), starts, self._given).numpy()
        grams = total[self._column, self.images + self._seat]
        squares = np.zeros(moving)
        np.add.at(squares, column, grams[unit])
        dots = np.ascontiguousarray(total[:, : self.images])
        return Parents(dots[None], grams[None], squares[None], np.array([len(parts) + self._standing]))

    def outcomes(self, parents: Parents) -> Outcomes:
        """How the parents themselves do."""
        logits = self._logits(parents)
        highest = self._highest(logits)
        return self._read(logits, self._powers(logits, highest), highest, parents.sizes)

    def logits(self, parents: Parents) -> Tensor:
        """Logits of the moving classes `[Q, N, M]` float64."""
        return torch.from_numpy(self._logits(parents)).transpose(1, 2)

    def score(self, parents: Parents, edits: Sequence[PromptEdit] | Changes) -> Iterator[Outcomes]:
        """Score edited candidates, as many at a time as memory is meant to hold.

        Yields:
            Outcomes of the edits in order, batch by batch.
        """
        changes = edits if isinstance(edits, Changes) else Changes.of(edits)
        logits = self._logits(parents)
        highest = self._highest(logits)
        with _one_thread():
            before = logits, self._powers(logits, highest), highest
        moving = len(self.moving)
        # Of each edit: all logits and their exponentials, and for each class that it changes a row of sums.
        rows = np.minimum(changes.sizes * self._each, moving)
        elements = (2 * self.images * moving + rows * self._given.shape[1]).cumsum()
        start = 0
        while start < len(changes):
            done = int(elements[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(elements, done + MOST_ELEMENTS, side="right")))
            with _one_thread():
                outcomes = self._score(parents, before, changes.between(start, end))
            yield outcomes
            start = end

    def _score(
        self, parents: Parents, before: tuple[Floats, Floats | None, Floats], changes: Changes
    ) -> Outcomes:
        moving, images = len(self.moving), self.images
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
        change = _summed(unit, sign, starts, self._given).numpy()
        whose = changes.parent[cells // moving]
        line = whose * moving + cells % moving
        # |s + d|² = |s|² + Σ ±(2 u·s + u·d) over the units u that make up the change d.
        along = parents.grams.take(whose[row] * len(self._column) + unit)
        along *= 2
        along += change.take(row * change.shape[1] + images + self._seat[unit])
        along *= sign
        square = parents.squares.take(line) + np.bincount(row, weights=along, minlength=len(line))
        moved = parents.dots.reshape(-1, images).take(line, axis=0)
        moved += change[:, :images]
        moved *= self.scale
        moved /= np.sqrt(np.maximum(square, _TINY))[:, None]
        logits, powers, highest = before
        logits = logits.take(changes.parent, axis=0)
        logits.reshape(-1, images)[cells] = moved
        if powers is not None:
            # Of the exponentials, too, those of the changed classes alone are new.
            powers = powers.take(changes.parent, axis=0)
            powers.reshape(-1, images)[cells] = _exponentials(moved - highest)
        sizes = parents.sizes[changes.parent] + changes.added - changes.removed
        return self._read(logits, powers, highest, sizes)

    def _units(self, parts: Integers) -> Integers:
        if self._each == 1:
            return parts
        return (parts[:, None] * self._each + np.arange(self._each)).reshape(-1)

    def _logits(self, parents: Parents) -> Floats:
        """Logits of the moving classes `[Q, M, N]`."""
        return self.scale * parents.dots / np.sqrt(np.maximum(parents.squares, _TINY))[..., None]

    def _highest(self, logits: Floats) -> Floats:
        """About the highest logit of each image `[N]`: what exponentials are taken relative to."""
        highest = logits.max((0, 1))
        return highest if self._rest is None else np.maximum(highest, self._rest.total)

    def _powers(self, logits: Floats, highest: Floats) -> Floats | None:
        """Exponentials of logits, relative to the highest; None where they might leave the range."""
        return _exponentials(logits - highest) if self.scale <= _MOST_SCALE else None

    def _read(self, logits: Floats, powers: Floats | None, highest: Floats, sizes: Integers) -> Outcomes:
        """Ranks and losses out of the moving logits `[B, M, N]` and the columns that stand still."""
        true = np.empty((len(logits), self.images))
        if self._rest is not None:
            true[:] = self._rest.true
        own = logits.reshape(len(logits), -1).take(self._true, axis=1)
        true[:, self._here] = own
        # A tie with a wrong class counts as lost: equal texts must not look like a right answer.
        rank = np.add.reduce(logits >= true[:, None], axis=1, dtype=np.int64)
        if powers is None:
            total = torch.logsumexp(torch.from_numpy(logits), 1).numpy()
            if self._rest is not None:
                total = np.logaddexp(total, self._rest.total)
        else:
            total = powers.sum(1)
            if self._rest is not None:
                total += np.exp(self._rest.total - highest)
            total = np.log(total, out=total)
            total += highest
        if self._rest is not None:
            rank += self._rest.rank
            rank[:, self._here] += np.add.reduce(self._rest.logits >= own[..., None], axis=2, dtype=np.int64)
        rank[:, self._here] -= 1  # the true class itself
        total -= true
        return Outcomes(
            rank=torch.from_numpy(rank), loss=torch.from_numpy(total), size=torch.from_numpy(sizes * 1.0)
        )


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Score in one thread: the steps are small, and on a busy machine threads wait long for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _exponentials(values: Floats) -> Floats:
    """Exponentials, in place."""
    return torch.from_numpy(values).exp_().numpy()


def _rest(still: Tensor, labels: Tensor, place: Tensor) -> Rest:
    logits = still.to(torch.float64)
    apart, stands = logits[:, place < 0], place[labels] < 0
    true = logits.gather(1, labels[:, None])
    rank = (apart >= true).sum(1) - 1  # the true class itself
    nothing = torch.zeros(len(labels), dtype=torch.float64)
    return Rest(
        logits=apart[~stands].contiguous().numpy(),
        total=torch.logsumexp(apart, 1).numpy(),
        true=torch.where(stands, true[:, 0], nothing).numpy(),
        rank=torch.where(stands, rank, torch.zeros_like(rank)).numpy(),
    )
