"""The edits a generation tries: add, remove, replace, mutate, cross over.

It knows nothing of fitness or vectors. A new operator is a frozen class with one method.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from fieldmark.tools.search.candidates import Candidate, Edit, Menu, difference


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
                part = chance.choice(menu.slots[chance.choice(open_slots)])
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
            spare = [part for part in parent.parts if sizes[menu.slot_of[part]] > menu.least]
            for _ in range(self.each if spare else 0):
                yield Edit(number, (), (chance.choice(spare),), "remove")


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
                old = chance.choice(parent.parts)
                new = chance.choice(menu.slots[menu.slot_of[old]])
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
        for _ in range(self.count):
            child = [part for slot in menu.slots for part in random_set(slot, menu, chance)]
            yield Edit(0, *difference(parents[0].parts, child), "mutate")


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
        held = Counter(part for parent in parents for part in set(parent.parts))
        rest = sorted(part for part, count in held.items() if count < len(parents))
        weights = [held[part] for part in rest]
        base, sizes = set(parents[0].parts), menu.sizes(parents[0].parts)
        for _ in range(self.count if rest else 0):
            child = set(drawn(rest, weights, chance.randint(0, len(rest)), chance))
            added = [part for part in rest if part in child and part not in base]
            removed = [part for part in rest if part not in child and part in base]
            added, removed = allowed(added, removed, list(sizes), menu)
            yield Edit(0, added, removed, "crossover")


OPERATORS: tuple[Operator, ...] = (Add(), Remove(), Replace(), Mutate(), Crossover())
"""What a generation tries by default, in ProAPO's numbers."""


def random_set(slot: Sequence[int], menu: Menu, chance: Random) -> list[int]:
    """A random part of a slot, sparse or dense: each of its parts with a chance of 1/8 to 7/8."""
    size = len(slot)
    if not size:
        return []
    # A random byte for each part, held against a bar that is drawn once.
    bar = 32 * chance.randint(1, 7)
    chosen = [part for part, byte in zip(slot, chance.randbytes(size), strict=True) if byte < bar]
    if len(chosen) < menu.least:
        return sorted(chance.sample(slot, min(menu.least, size)))
    return sorted(chance.sample(chosen, menu.most)) if len(chosen) > menu.most else chosen


def drawn(items: Sequence[int], weights: Sequence[float], count: int, chance: Random) -> list[int]:
    """Draw `count` different items, the heavier the likelier (Efraimidis & Spirakis 2006)."""
    ranked = sorted(
        zip(items, weights, strict=True), key=lambda each: -(chance.random() ** (1 / each[1]))
    )  # the exponent favours heavy items
    return [item for item, _ in ranked[:count]]


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
