"""Stores the edits of a generation as arrays, so that keys and scores are computed in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
import numpy.typing as npt

from fieldmark.tools.search.candidates import PromptEdit, PromptMenu

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Changes:
    """B edits with F changed parts in all: of each edit the parts put in, then those taken out.

    Attributes:
        parent: int64 `[B]`: place of the parent of each edit.
        added: int64 `[B]`: how many parts each puts in.
        removed: int64 `[B]`: how many parts each takes out.
        part: int64 `[F]`: the parts, edit after edit.
    """

    parent: Integers
    added: Integers
    removed: Integers
    part: Integers

    @classmethod
    def of(cls, edits: Sequence[PromptEdit]) -> Self:
        """Lay edits out."""
        count = len(edits)
        pieces = [parts for edit in edits for parts in (edit.added, edit.removed)]
        sizes = np.fromiter(map(len, pieces), np.int64, 2 * count)
        return cls(
            parent=np.fromiter((edit.parent for edit in edits), np.int64, count),
            added=sizes[::2],
            removed=sizes[1::2],
            part=np.fromiter(chain.from_iterable(pieces), np.int64, int(sizes.sum())),
        )

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def sizes(self) -> Integers:
        """How many parts each edit changes `[B]`."""
        return self.added + self.removed

    def sign(self) -> npt.NDArray[np.float64]:
        """1 for a part put in, -1 for one taken out `[F]`."""
        signs = np.tile(np.array([1.0, -1.0]), len(self))
        return signs.repeat(np.stack([self.added, self.removed], 1).reshape(-1))

    def chosen(self, places: Sequence[int]) -> "Changes":
        """Some of the edits, in ascending order."""
        wanted = np.zeros(len(self), dtype=np.bool_)
        wanted[list(places)] = True
        part = self.part[wanted.repeat(self.sizes)]
        return Changes(self.parent[wanted], self.added[wanted], self.removed[wanted], part)

    def between(self, start: int, end: int) -> "Changes":
        """The edits from place `start` on, up to but without place `end`."""
        before = int(self.sizes[:start].sum())
        part = self.part[before : before + int(self.sizes[start:end].sum())]
        some = slice(start, end)
        return Changes(self.parent[some], self.added[some], self.removed[some], part)

    def keys(self, menu: PromptMenu, parents: Sequence[int]) -> npt.NDArray[np.uint64]:
        """The keys of the edited candidates `[B]`.

        Args:
            menu: Knows the key of each part.
            parents: The keys of the parents.
        """
        change = menu.key_array[self.part] * self.sign().astype(np.int64).astype(np.uint64)
        sums = np.concatenate([np.zeros(1, np.uint64), change.cumsum(dtype=np.uint64)])
        ends = np.concatenate([np.zeros(1, np.int64), self.sizes.cumsum()])
        return np.array(parents, dtype=np.uint64)[self.parent] + sums[ends[1:]] - sums[ends[:-1]]
