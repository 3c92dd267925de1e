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
        sums: float64 `[Q, M, D]`: sum of unit vectors of each moving class.
        logits: float64 `[Q, N, M]`.
        sizes: float64 `[Q]`.
    """

    sums: Tensor
    logits: Tensor
    sizes: Tensor


class Arena:
    """Training images, the parts that may move, and the columns that stand still.

    A class's weight vector is the sum of its units scaled to length one (the prototype rule), so the number
    of units cancels out.

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
        self.images = images.to(torch.float64)
        self.parts = parts
        self.scale = scale
        self.moving = list(moving)
        place = torch.full((classes,), -1, dtype=torch.int64)
        place[torch.tensor(self.moving, dtype=torch.int64)] = torch.arange(len(self.moving))
        self._true = place[labels]  # column of the true class among the moving ones, -1 if it stands still
        self._rest = _rest(still, labels, place) if still is not None and len(moving) < classes else None

    def sums(self, parts: Sequence[int]) -> Tensor:
        """Sum of unit vectors of each moving class `[M, D]`, float64, from nothing."""
        width = self.parts.vectors.shape[2]
        chosen = torch.tensor(list(parts), dtype=torch.int64)
        sums = torch.zeros(len(self.moving), width, dtype=torch.float64)
        return sums.index_add_(
            0, self.parts.columns[chosen].reshape(-1), self.parts.vectors[chosen].reshape(-1, width)
        )

    def columns(self, sums: Tensor) -> Tensor:
        """Logits of class vectors: `[..., D]` sums to `[N, ...]`."""
        lengths = sums.norm(dim=-1, keepdim=True).clamp_min(_TINY)
        flat = (sums / lengths).reshape(-1, sums.shape[-1])
        return (self.scale * (self.images @ flat.T)).reshape(len(self.images), *sums.shape[:-1])

    def parents(self, candidates: Sequence[Candidate]) -> Parents:
        """Sum candidates up anew: whatever edits led to them, no rounding error is handed on."""
        sums = torch.stack([self.sums(candidate.parts) for candidate in candidates])
        sizes = torch.tensor([float(len(candidate.parts)) for candidate in candidates], dtype=torch.float64)
        return Parents(sums=sums, logits=self.columns(sums).permute(1, 0, 2).contiguous(), sizes=sizes)

    def outcomes(self, parents: Parents) -> Outcomes:
        """How the parents themselves do."""
        return self._read(parents.logits, parents.sizes)

    def score(self, parents: Parents, edits: Sequence[Edit]) -> Iterator[Outcomes]:
        """Score edited candidates, as many at a time as memory is meant to hold.

        Yields:
            Outcomes of the edits in order, batch by batch.
        """
        images, moving = parents.logits.shape[1], parents.logits.shape[2]
        step = max(1, MOST_ELEMENTS // (images * moving))
        # A template moves every class at once: its changed sums count too.
        widest = max((len(edit.added) + len(edit.removed) for edit in edits), default=1)
        rows = min(moving, widest * self.parts.columns.shape[1]) * parents.sums.shape[2]
        step = max(1, min(step, MOST_ELEMENTS // max(1, rows)))
        for start in range(0, len(edits), step):
            yield self._score(parents, edits[start : start + step])

    def _score(self, parents: Parents, edits: Sequence[Edit]) -> Outcomes:
        moving, width = parents.sums.shape[1:]
        parent = torch.tensor([edit.parent for edit in edits], dtype=torch.int64)
        part = [p for edit in edits for p in (*edit.added, *edit.removed)]
        added = torch.tensor([len(edit.added) for edit in edits], dtype=torch.int64)
        removed = torch.tensor([len(edit.removed) for edit in edits], dtype=torch.int64)
        number = torch.arange(len(edits))
        signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(len(edits))
        sign = signs.repeat_interleave(torch.stack([added, removed], 1).reshape(-1))
        which = torch.tensor(part, dtype=torch.int64)
        owner = number.repeat_interleave(added + removed)
        # One row for each (candidate, class) that changes, however many parts change it.
        cell = (owner[:, None] * moving + self.parts.columns[which]).reshape(-1)
        cells, place = torch.unique(cell, return_inverse=True)
        candidate, column = cells // moving, cells % moving
        sums = parents.sums[parent[candidate], column]
        change = (self.parts.vectors[which] * sign[:, None, None]).reshape(-1, width)
        sums.index_add_(0, place, change)
        logits = parents.logits[parent]
        logits[candidate, :, column] = self.columns(sums).T
        return self._read(logits, parents.sizes[parent] + added - removed)

    def _read(self, logits: Tensor, sizes: Tensor) -> Outcomes:
        """Ranks and losses out of the moving logits `[B, N, M]` and the columns that stand still."""
        here = self._true >= 0
        column = self._true.clamp_min(0).expand(len(logits), -1)[..., None]
        true = logits.gather(2, column)[..., 0]
        if self._rest is not None:
            true = torch.where(here, true, self._rest.true)
        # A tie with a wrong class counts as lost: equal texts must not look like a right answer.
        rank = (logits >= true[..., None]).sum(2)
        total = torch.logsumexp(logits, 2)
        if self._rest is not None:
            total = torch.logaddexp(total, self._rest.total)
            below = torch.searchsorted(self._rest.logits, true.T.contiguous())
            rank += self._rest.logits.shape[1] - below.T
        return Outcomes(rank=rank - 1, loss=total - true, size=sizes)


def _rest(still: Tensor, labels: Tensor, place: Tensor) -> Rest:
    logits = still.to(torch.float64)
    true = logits.gather(1, labels[:, None])[:, 0]
    apart = logits[:, place < 0]
    return Rest(
        logits=apart.sort(1).values.contiguous(),
        total=torch.logsumexp(apart, 1),
        true=torch.where(place[labels] < 0, true, torch.zeros_like(true)),
    )
