"""The edits a generation tries: add, remove, replace, mutate, cross over.

It knows nothing of fitness or vectors. A new operator is a frozen class with one method.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fieldmark.tools.search.candidates import Candidate, Edit, Menu

_LOW = tuple(bytes(byte < 32 * eighths for byte in range(256)) for eighths in range(1, 8))
"""For each chance from 1/8 to 7/8, which of the 256 bytes lie below it."""


class Operator(Protocol):
    """Proposes edits of the fittest candidates.

    It draws chance from `chance` alone, keeps every slot between `menu.least` and `menu.most` parts, and
    yields fewer edits, or none, where nothing of its kind is possible; it never raises. The same candidate
    may be proposed twice: the search scores it once.
    """

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """Yield edits; `parents` come fittest first and there is at least one."""
        ...


@dataclass(frozen=True)
class Add:
    """Puts one part in that the parent does not hold.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            held, sizes = set(parent.parts), menu.sizes(parent.parts)
            open_slots = [slot for slot, size in enumerate(sizes) if size < menu.most]
            for _ in range(self.each if open_slots else 0):
                slot = menu.slots[open_slots[below(len(open_slots), chance)]]
                part = slot[below(len(slot), chance)]
                if part not in held:
                    yield Edit(number, (part,), (), "add")


@dataclass(frozen=True)
class Remove:
    """Takes one part out, where enough are left.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            sizes = menu.sizes(parent.parts)
            least = {slot for slot, size in enumerate(sizes) if size <= menu.least}
            spare = [part for part in parent.parts if menu.slot_of[part] not in least]
            for _ in range(self.each if spare else 0):
                yield Edit(number, (), (spare[below(len(spare), chance)],), "remove")


@dataclass(frozen=True)
class Replace:
    """Exchanges one part for another of the same slot.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            held = set(parent.parts)
            for _ in range(self.each if parent.parts else 0):
                old = parent.parts[below(len(parent.parts), chance)]
                slot = menu.slots[menu.slot_of[old]]
                new = slot[below(len(slot), chance)]
                if new not in held:
                    yield Edit(number, (new,), (old,), "replace")


@dataclass(frozen=True)
class Mutate:
    """Fresh random sets: for every slot a random number of its parts, whatever the parents hold.

    Attributes:
        count: Edits in all.
    """

    count: int = 8

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """See `Operator`."""
        sizes = [len(slot) for slot in menu.slots]
        marks = [random_marks(size, menu, chance) for _ in range(self.count) for size in sizes]
        child = np.zeros((self.count, len(menu.keys)), dtype=np.bool_)
        child[:, menu.listed] = np.frombuffer(b"".join(marks), dtype=np.bool_).reshape(
            self.count, len(menu.listed)
        )
        held = np.zeros(len(menu.keys), dtype=np.bool_)
        held[list(parents[0].parts)] = True
        for added, removed in zip(row_places(child & ~held), row_places(held & ~child), strict=True):
            yield Edit(0, added, removed, "mutate")


@dataclass(frozen=True)
class Crossover:
    """Keeps what all parents hold, and of the rest a random number, the more widely held the likelier.

    Source: Qu et al. 2025, section 3.2.

    Attributes:
        count: Edits in all.
    """

    count: int = 16

    def __call__(self, parents: Sequence[Candidate], menu: Menu, chance: Random) -> Iterator[Edit]:
        """See `Operator`."""
        if len(parents) < 2:
            return
        held: Counter[int] = Counter()
        for parent in parents:
            held.update(set(parent.parts))
        rest = sorted(part for part, count in held.items() if count < len(parents))
        weights = [held[part] for part in rest]
        base, sizes = set(parents[0].parts), menu.sizes(parents[0].parts)
        mine = [part for part in rest if part in base]
        for _ in range(self.count if rest else 0):
            child = drawn(rest, weights, below(len(rest) + 1, chance), chance)
            kept = base.intersection(child)
            added = sorted(part for part in child if part not in base)
            removed = [part for part in mine if part not in kept]
            added, removed = allowed(added, removed, list(sizes), menu)
            yield Edit(0, added, removed, "crossover")


OPERATORS: tuple[Operator, ...] = (Add(), Remove(), Replace(), Mutate(), Crossover())
"""What a generation tries by default, in ProAPO's numbers."""


def below(count: int, chance: Random) -> int:
    """A random number from 0 up to, but without, `count`: what `Random.randrange` draws, with fewer calls."""
    bits = count.bit_length()
    number = chance.getrandbits(bits)
    while number >= count:
        number = chance.getrandbits(bits)
    return number


def random_marks(size: int, menu: Menu, chance: Random) -> bytes:
    """A random part of a slot, sparse or dense: each of its parts with a chance of 1/8 to 7/8.

    Args:
        size: Parts of the slot.
        menu: The bounds.
        chance: Where chance comes from.

    Returns:
        For each part of the slot 1 where it is chosen, else 0.
    """
    if not size:
        return b""
    # A random byte for each part, held against a bar that is drawn once.
    low = _LOW[below(len(_LOW), chance)]
    marks = chance.randbytes(size).translate(low)
    count = marks.count(1)
    if menu.least <= count <= menu.most:
        return marks
    if count < menu.least:
        chosen = chance.sample(range(size), min(menu.least, size))
    else:
        chosen = chance.sample([place for place in range(size) if marks[place]], menu.most)
    fewer = bytearray(size)
    for place in chosen:
        fewer[place] = 1
    return bytes(fewer)


def row_places(table: npt.NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    """The places of what is true in each row `[B, P]`, ascending."""
    rows, width = table.shape
    flat = np.flatnonzero(table)
    ends = np.searchsorted(flat, np.arange(1, rows + 1) * width).tolist()
    places, start = (flat % max(1, width)).tolist(), 0
    for end in ends:
        yield tuple(places[start:end])
        start = end


def drawn(items: Sequence[int], weights: Sequence[float], count: int, chance: Random) -> list[int]:
    """Draw `count` different items, the heavier the likelier (Efraimidis & Spirakis 2006)."""
    random = chance.random
    keys = [random() ** (1 / weight) for weight in weights]  # the exponent favours heavy items
    ranked = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    return [items[place] for place in ranked[:count]]


def allowed(
    added: Sequence[int], removed: Sequence[int], sizes: list[int], menu: Menu
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What of a change leaves every slot with neither too few parts nor too many.

    Args:
        added: Parts to put in.
        removed: Parts to take out.
        sizes: Parts that each slot holds now; changed along the way.
        menu: The bounds.
    """
    put: list[int] = []
    taken: list[int] = []
    for part in added:
        slot = menu.slot_of[part]
        if sizes[slot] < menu.most:
            sizes[slot] += 1
            put.append(part)
    for part in removed:
        slot = menu.slot_of[part]
        if sizes[slot] > menu.least:
            sizes[slot] -= 1
            taken.append(part)
    return tuple(put), tuple(taken)
