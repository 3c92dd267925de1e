"""Yes/no aspects of images: what is said to hold for which class, and what an annotator sees of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from fieldmark.records import Record
from fieldmark.tools.scoring.field_guide import FieldGuide

LEAST_SEEN = 8
"""Images with an answer below which an aspect teaches nothing and is left out."""


class Aspect(Record):
    """One aspect: a statement that an image bears out or does not."""

    text: str
    holds: tuple[str, ...] = ()
    """Classes that it is said to hold for."""
    fails: tuple[str, ...] = ()
    """Classes that it is said not to hold for; of those in neither nothing is said."""

    def said_of(self, name: str) -> Literal["yes", "no"] | None:
        """Whether it is said to hold for a class; None where nothing is said."""
        return "yes" if name in self.holds else "no" if name in self.fails else None


@dataclass(frozen=True)
class AspectLesson:
    """What a pool teaches of aspects.

    Attributes:
        aspects: The A aspects.
        p: Probability that each holds for each image [N, A] float32; anything where it is not known.
        known: Where it is known [N, A] float32, 0 or 1.
    """

    aspects: tuple[Aspect, ...]
    p: Tensor
    known: Tensor

    def rows(self, rows: Tensor) -> "AspectLesson":
        """Some of the images."""
        return replace(self, p=self.p[rows], known=self.known[rows])

    def with_both_answers(self) -> "AspectLesson":
        """Without the aspects that too few images have an answer to, or one answer alone."""
        seen = self.known > 0
        each = [
            int(seen[:, a].sum()) >= LEAST_SEEN and len((self.p[seen[:, a], a] > 0.5).unique()) == 2
            for a in range(len(self.aspects))
        ]
        kept = torch.tensor([a for a, keep in enumerate(each) if keep], dtype=torch.int64)
        aspects = tuple(self.aspects[a] for a in kept.tolist())
        return AspectLesson(aspects, self.p[:, kept], self.known[:, kept])


def merged(parts: Sequence[tuple[Sequence[str], Mapping[str, Sequence[str]]]]) -> tuple[Aspect, ...]:
    """Aspects of several sets of classes as one list; those of the same text are one.

    Args:
        parts: The classes of a set, and statement → the classes of the set that it is said to hold for.
    """
    found: dict[str, Aspect] = {}
    for classes, holds in parts:
        for text, held in holds.items():
            before = found.get(text, Aspect(text=text))
            fails = tuple(name for name in classes if name not in held)
            found[text] = Aspect(text=text, holds=(*before.holds, *held), fails=(*before.fails, *fails))
    return tuple(found.values())


def aspects_of_guide(guide: FieldGuide, *, most: int) -> tuple[Aspect, ...]:
    """The values of a field guide that split its classes most evenly, as aspects.

    A class has the value that most answers give it; a class that an attribute says nothing of is in neither
    list. A second value of an attribute comes after the first ones of all.
    """
    found: list[tuple[int, int, Aspect]] = []
    for t, values in enumerate(guide.values):
        counts = guide.counts[:, t]
        voted, own = counts.sum(1) > 0, counts.argmax(1)
        split: list[tuple[int, Aspect]] = []
        for v, value in enumerate(values):
            holds = tuple(
                c for c, said in zip(guide.classes, (voted & (own == v)).tolist(), strict=True) if said
            )
            fails = tuple(
                c for c, said in zip(guide.classes, (voted & (own != v)).tolist(), strict=True) if said
            )
            if holds and fails:
                text = f"The {guide.noun} has {value}."
                split.append((min(len(holds), len(fails)), Aspect(text=text, holds=holds, fails=fails)))
        split.sort(key=lambda each: -each[0])
        found += [(turn, -even, aspect) for turn, (even, aspect) in enumerate(split)]
    found.sort(key=lambda each: each[:2])
    distinct = {aspect.text: aspect for *_, aspect in found}
    return tuple(distinct.values())[:most]


def alike_sets(means: Tensor, most: int) -> list[list[int]]:
    """Split classes into sets of look-alikes, of like size.

    Args:
        means: A vector of each class [C, D].
        most: The most classes of a set.

    Returns:
        Rows of each set.
    """
    left = list(range(len(means)))
    parts = -(-len(left) // most)
    sets: list[list[int]] = []
    near = torch.nn.functional.normalize(means, dim=1)
    for part in range(parts, 0, -1):
        size = -(-len(left) // part)
        order = (near[left] @ near[left[0]]).argsort(descending=True, stable=True)[:size].tolist()
        own = sorted({left[place] for place in order} | {left[0]})[:size]
        sets.append(own)
        left = [row for row in left if row not in own]
    return sets
