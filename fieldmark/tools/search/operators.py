"""The edits a generation tries: add, remove, replace, mutate, cross over.

A new operator is a frozen class with one method.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu


class Operator(Protocol):
    """Proposes edits of the fittest candidates.

    It draws random numbers from `rng` alone, keeps every slot between `menu.least` and `menu.most` parts, and
    yields fewer edits, or none, where nothing of its kind is possible; it never raises. The same candidate
    may be proposed twice: the search scores it once.
    """

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """Yield edits; `parents` come fittest first and there is at least one."""
        ...


@dataclass(frozen=True)
class Add:
    """Puts one part in that the parent does not hold.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            held, sizes = set(parent.parts), menu.sizes(parent.parts)
            open_slots = [slot for slot, size in enumerate(sizes) if size < menu.most]
            for _ in range(self.each if open_slots else 0):
                slot = menu.slots[open_slots[below(len(open_slots), rng)]]
                part = slot[below(len(slot), rng)]
                if part not in held:
                    yield PromptEdit(number, (part,), (), "add")


@dataclass(frozen=True)
class Remove:
    """Takes one part out, where enough are left.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            sizes = menu.sizes(parent.parts)
            least = {slot for slot, size in enumerate(sizes) if size <= menu.least}
            of = menu.slot_of
            spare = [part for part in parent.parts if of[part] not in least] if least else parent.parts
            for _ in range(self.each if spare else 0):
                yield PromptEdit(number, (), (spare[below(len(spare), rng)],), "remove")


@dataclass(frozen=True)
class Replace:
    """Exchanges one part for another of the same slot.

    Attributes:
        each: Edits for each parent.
    """

    each: int = 8

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        for number, parent in enumerate(parents):
            held = set(parent.parts)
            for _ in range(self.each if parent.parts else 0):
                old = parent.parts[below(len(parent.parts), rng)]
                slot = menu.slots[menu.slot_of[old]]
                new = slot[below(len(slot), rng)]
                if new not in held:
                    yield PromptEdit(number, (new,), (old,), "replace")


@dataclass(frozen=True)
class Mutate:
    """Fresh random sets: for every slot a random number of its parts, whatever the parents hold.

    Attributes:
        count: Edits in all.
    """

    count: int = 8

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        child = np.zeros((self.count, len(menu.keys)), dtype=np.bool_)
        child[:, menu.listed] = random_sets(self.count, menu, rng)
        held = np.zeros(len(menu.keys), dtype=np.bool_)
        held[list(parents[0].parts)] = True
        for added, removed in zip(row_places(child & ~held), row_places(held & ~child), strict=True):
            yield PromptEdit(0, added, removed, "mutate")


@dataclass(frozen=True)
class Crossover:
    """Keeps what all parents hold, and of the rest a random number, the more widely held the likelier.

    Source: Qu et al. 2025, section 3.2.

    Attributes:
        count: Edits in all.
    """

    count: int = 16

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        if len(parents) < 2:
            return
        present = np.zeros((len(parents), len(menu.keys)), dtype=np.bool_)
        for row, parent in zip(present, parents, strict=True):
            row[list(parent.parts)] = True
        holders = present.sum(0)
        rest = np.flatnonzero((holders > 0) & (holders < len(parents)))
        if not len(rest):
            return
        counts = [below(len(rest) + 1, rng) for _ in range(self.count)]
        child = drawn(holders[rest], counts, rng)
        mine = present[0, rest]
        slots, sizes = menu.slot_array[rest], menu.sizes(parents[0].parts)
        put, taken = child & ~mine, ~child & mine
        fits = fitting(put, taken, slots, sizes, menu)
        changes = zip(row_places(put, rest), row_places(taken, rest), strict=True)
        for fine, (added, removed) in zip(fits.tolist(), changes, strict=True):
            if not fine:
                added, removed = allowed(added, removed, sizes, menu, rng)
            yield PromptEdit(0, added, removed, "crossover")


OPERATORS: tuple[Operator, ...] = (Add(), Remove(), Replace(), Mutate(), Crossover())
"""What a generation tries by default, in ProAPO's numbers."""


def below(count: int, rng: Random) -> int:
    """A random number from 0 up to, but without, `count`: what `Random.randrange` draws, with fewer calls."""
    bits = count.bit_length()
    number = rng.getrandbits(bits)
    while number >= count:
        number = rng.getrandbits(bits)
    return number


def random_sets(count: int, menu: PromptMenu, rng: Random) -> npt.NDArray[np.bool_]:
    """Random sets of parts: a sparse or dense part of every slot, with a probability of 1/8 to 7/8 a part.

    Args:
        count: B, how many sets.
        menu: What they are drawn from, and the bounds.
        rng: The random generator.

    Returns:
        Bool `[B, L]`: which of the parts that `menu.listed` lists are chosen.
    """
    lengths = np.array([len(slot) for slot in menu.slots if slot], dtype=np.int64)
    listed = len(menu.listed)
    if not listed or not count:
        return np.zeros((count, listed), dtype=np.bool_)
    # A random byte for each part, held against a bar that is drawn for its slot.
    bars = np.frombuffer(rng.randbytes(count * len(lengths)), dtype=np.uint8) % 7 * 32 + 32
    noise = np.frombuffer(rng.randbytes(count * listed), dtype=np.uint8).reshape(count, listed)
    chosen_parts = noise < bars.reshape(count, -1).repeat(lengths, axis=1)
    starts = lengths.cumsum() - lengths
    sizes = np.add.reduceat(chosen_parts, starts, axis=1, dtype=np.int64)
    wrong = (sizes < np.minimum(menu.least, lengths)) | (sizes > menu.most)
    for row, slot in np.argwhere(wrong).tolist():
        start, length = int(starts[slot]), int(lengths[slot])
        few = int(sizes[row, slot]) < menu.least
        from_these = (
            range(length) if few else np.flatnonzero(chosen_parts[row, start : start + length]).tolist()
        )
        chosen = rng.sample(from_these, min(menu.least, length) if few else menu.most)
        chosen_parts[row, start : start + length] = False
        chosen_parts[row, start + np.array(chosen, dtype=np.int64)] = True
    return chosen_parts


def row_places(
    table: npt.NDArray[np.bool_], names: npt.NDArray[np.int64] | None = None
) -> Iterator[tuple[int, ...]]:
    """The places of what is true in each row `[B, P]`, ascending; or the names `[P]` of the places."""
    rows, width = table.shape
    flat = np.flatnonzero(table)
    ends = np.searchsorted(flat, np.arange(1, rows + 1) * width).tolist()
    place = flat % max(1, width)
    places, start = (place if names is None else names[place]).tolist(), 0
    for end in ends:
        yield tuple(places[start:end])
        start = end


def drawn(weights: npt.NDArray[np.int64], counts: Sequence[int], rng: Random) -> npt.NDArray[np.bool_]:
    """Draw sets of different items, the heavier the likelier (Efraimidis & Spirakis 2006).

    Args:
        weights: Weight of each item `[R]`, above 0.
        counts: How many items each of the B sets has.
        rng: The random generator.

    Returns:
        Bool `[B, R]`: which items are drawn.
    """
    sets, items = len(counts), len(weights)
    random = np.frombuffer(rng.randbytes(4 * sets * items), dtype="<u4").reshape(sets, items)
    # The items of the largest keys u^(1/weight) are drawn; their logarithms have the same order.
    keys = np.log((random + 1.0) / 2**32) / weights
    place = np.empty((sets, items), dtype=np.int64)
    np.put_along_axis(place, (-keys).argsort(axis=1, kind="stable"), np.arange(items)[None], axis=1)
    return place < np.array(counts)[:, None]


def fitting(
    put: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.bool_],
    slots: npt.NDArray[np.int64],
    sizes: Sequence[int],
    menu: PromptMenu,
) -> npt.NDArray[np.bool_]:
    """Which of several changes of one candidate leave every slot that they change within bounds.

    Args:
        put: Bool `[B, R]`: which of R parts each puts in.
        taken: Bool `[B, R]`: which each takes out.
        slots: Slot of each of the parts `[R]`.
        sizes: Parts that each slot holds now.
        menu: The bounds.

    Returns:
        Bool `[B]`.
    """
    width = len(sizes) + 1  # the last one for parts that no slot lists
    more, fewer = (
        np.bincount((np.arange(len(each))[:, None] * width + slots)[each], minlength=len(each) * width)
        for each in (put, taken)
    )
    more, fewer = more.reshape(-1, width)[:, :-1], fewer.reshape(-1, width)[:, :-1]
    after = np.array(sizes) + more - fewer
    full, empty = (more > 0) & (after > menu.most), (fewer > 0) & (after < menu.least)
    return np.logical_not((full | empty).any(1))


def allowed(
    added: Sequence[int], removed: Sequence[int], sizes: Sequence[int], menu: PromptMenu, rng: Random
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What of a change leaves every slot with neither too few parts nor too many.

    A part that goes makes room for one that comes, so that full slots can be changed, too. Where there are
    too many of either kind, those that stay are drawn.

    Args:
        added: Parts to put in.
        removed: Parts to take out.
        sizes: Parts that each slot holds now.
        menu: The bounds.
        rng: The random generator.
    """
    of = menu.slot_of
    put = [part for part in added if part not in of]
    taken = [part for part in removed if part not in of]
    for slot in sorted({of[part] for part in (*added, *removed) if part in of}):
        come, go = ([part for part in parts if of.get(part) == slot] for parts in (added, removed))
        room = max(0, menu.most - sizes[slot] + len(go))
        come = rng.sample(come, min(room, len(come)))
        spare = max(0, sizes[slot] + len(come) - menu.least)
        put += come
        taken += rng.sample(go, min(spare, len(go)))
    return tuple(sorted(put)), tuple(sorted(taken))
