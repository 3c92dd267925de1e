"""Scores candidates by what an edit changes: one vector added or taken away, a few columns of the logits.

It knows nothing of texts, of where units come from or of what makes one candidate better than another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.search.candidates import Candidate, Edit

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
        self._column = parts.columns.reshape(-1)
        vectors = parts.vectors.reshape(len(self._column), -1).to(torch.float64)
        self._seat, self._given = _contributions(vectors, self._column, len(self.moving), images)

    def parents(self, candidates: Sequence[Candidate]) -> Parents:
        """Sum candidates up anew: whatever edits led to them, no rounding error is handed on."""
        dots: list[Tensor] = []
        grams: list[Tensor] = []
        squares: list[Tensor] = []
        for candidate in candidates:
            units = self._units(torch.tensor(candidate.parts, dtype=torch.int64))
            ones = torch.ones(len(units), dtype=torch.float64)
            total = _summed(self._column[units], units, ones, len(self.moving), self._given)
            gram = total[self._column, self._images + self._seat]
            square = torch.zeros(len(self.moving), dtype=torch.float64)
            dots.append(total[:, : self._images])
            grams.append(gram)
            squares.append(square.index_add_(0, self._column[units], gram[units]))
        sizes = torch.tensor([float(len(candidate.parts)) for candidate in candidates], dtype=torch.float64)
        return Parents(torch.stack(dots), torch.stack(grams), torch.stack(squares), sizes)

    def outcomes(self, parents: Parents) -> Outcomes:
        """How the parents themselves do."""
        return self._read(self._logits(parents), parents.sizes)

    def logits(self, parents: Parents) -> Tensor:
        """Logits of the moving classes `[Q, N, M]` float64."""
        return self._logits(parents).transpose(1, 2)

    def score(self, parents: Parents, edits: Sequence[Edit]) -> Iterator[Outcomes]:
        """Score edited candidates, as many at a time as memory is meant to hold.

        Yields:
            Outcomes of the edits in order, batch by batch.
        """
        logits = self._logits(parents)
        still, moved = self._images * len(self.moving), self._each * self._given.shape[1]
        batch: list[Edit] = []
        elements = 0
        for edit in edits:
            batch.append(edit)
            elements += still + moved * (len(edit.added) + len(edit.removed))
            if elements > MOST_ELEMENTS:
                yield self._score(parents, logits, batch)
                batch, elements = [], 0
        if batch:
            yield self._score(parents, logits, batch)

    def _score(self, parents: Parents, before: Tensor, edits: Sequence[Edit]) -> Outcomes:
        moving = len(self.moving)
        parent = torch.tensor([edit.parent for edit in edits])
        added = torch.tensor([len(edit.added) for edit in edits])
        removed = torch.tensor([len(edit.removed) for edit in edits])
        part = torch.tensor([p for edit in edits for p in (*edit.added, *edit.removed)], dtype=torch.int64)
        sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(len(edits))
        sign = sign.repeat_interleave(torch.stack([added, removed], 1).reshape(-1))
        owner = torch.arange(len(edits)).repeat_interleave(added + removed)
        unit = self._units(part)
        sign, owner = sign.repeat_interleave(self._each), owner.repeat_interleave(self._each)
        # One row for each (candidate, class) that changes, however many units change it.
        cells, place = torch.unique(owner * moving + self._column[unit], return_inverse=True)
        candidate, column = cells // moving, cells % moving
        change = _summed(place, unit, sign, len(cells), self._given)
        # |s + d|² = |s|² + Σ ±(2 u·s + u·d) over the units u that make up the change d.
        longer = sign * (
            2 * parents.grams[parent[owner], unit] + change[place, self._images + self._seat[unit]]
        )
        whose = parent[candidate]
        square = parents.squares[whose, column].index_add(0, place, longer)
        dots = parents.dots[whose, column] + change[:, : self._images]
        logits = before[parent]
        logits[candidate, column] = self.scale * dots / square.clamp_min(_TINY).sqrt()[:, None]
        return self._read(logits, parents.sizes[parent] + added - removed)

    def _units(self, parts: Tensor) -> Tensor:
        if self._each == 1:
            return parts
        return (parts[:, None] * self._each + torch.arange(self._each)).reshape(-1)

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


def _summed(row: Tensor, unit: Tensor, sign: Tensor, rows: int, given: Tensor) -> Tensor:
    """Signed sums of the units' contributions, row by row `[rows, N + S]`: a sparse times a dense matrix."""
    from scipy.sparse import csr_array  # takes a moment to load

    order = row.argsort(stable=True)
    ends = torch.bincount(row, minlength=rows).cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends])
    signs = csr_array((sign[order].numpy(), unit[order].numpy(), starts.numpy()), shape=(rows, len(given)))
    return torch.from_numpy(signs @ given.numpy())


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
