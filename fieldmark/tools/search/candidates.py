"""Candidates of the search: sets of parts, the menu of parts, and single edits."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_KEY_BITS = (1 << 64) - 1


def part_key(text: str) -> int:
    """A 64-bit key of a part; the keys of a set's parts sum (modulo 2**64) to the key of the set."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class PromptCandidate:
    """A multiset of parts with its fitness.

    Attributes:
        parts: Indices into the menu, ascending; one that stands twice weighs twice.
        key: Sum of the parts' keys modulo 2**64: the same set has the same key, whatever led to it.
        fitness: Higher is better.
    """

    parts: tuple[int, ...]
    key: int
    fitness: float = 0.0

    @property
    def id(self) -> str:
        """The key as 16 hex digits."""
        return f"{self.key:016x}"


class PromptEdit(NamedTuple):
    """A new candidate, as a change of another; a named tuple, as they are made by the thousand.

    Attributes:
        parent: Place of the other among the parents.
        added: Parts put in.
        removed: Parts taken out; the parent holds each of them.
        by: Name of the operator.
    """

    parent: int
    added: tuple[int, ...]
    removed: tuple[int, ...]
    by: str

    def applied(self, parts: Sequence[int]) -> tuple[int, ...]:
        """The parts of the new candidate."""
        gone = frozenset(self.removed)
        left = [part for part in parts if part not in gone]
        if len(left) == len(parts) - len(self.removed):  # no part that goes stands twice
            return tuple(sorted((*left, *self.added)))
        gone = dict(Counter(self.removed))
        left = list(self.added)
        for part in parts:
            if gone.get(part):
                gone[part] -= 1
            else:
                left.append(part)
        return tuple(sorted(left))


@dataclass(frozen=True)
class PromptMenu:
    """What candidates are made of.

    Attributes:
        slots: The parts that each slot may hold; a slot is a class, or the one set of templates.
        keys: Key of every part, see `part_key`; parts that no slot lists are allowed.
        least: Every slot keeps at least so many parts.
        most: No slot holds more parts.
    """

    slots: tuple[tuple[int, ...], ...]
    keys: Sequence[int]
    least: int = 1
    most: int = 64

    @cached_property
    def slot_of(self) -> dict[int, int]:
        """The slot of every part."""
        return {part: slot for slot, parts in enumerate(self.slots) for part in parts}

    def key(self, parts: Iterable[int]) -> int:
        """The key of a multiset of parts."""
        return sum(self.keys[part] for part in parts) & _KEY_BITS

    @cached_property
    def key_array(self) -> npt.NDArray[np.uint64]:
        """`keys` as an array, whose sums wrap around as keys do."""
        return np.array(self.keys, dtype=np.uint64)

    @cached_property
    def listed(self) -> npt.NDArray[np.int64]:
        """The parts of all slots, slot after slot."""
        return np.array([part for slot in self.slots for part in slot], dtype=np.int64)

    @cached_property
    def slot_array(self) -> npt.NDArray[np.int64]:
        """The slot of every part; one more than the last slot for a part that none lists."""
        slots = np.full(len(self.keys), len(self.slots), dtype=np.int64)
        slots[self.listed] = np.arange(len(self.slots)).repeat([len(slot) for slot in self.slots])
        return slots

    def sizes(self, parts: Sequence[int]) -> list[int]:
        """How many parts each slot holds."""
        return list(self._sizes(tuple(parts)))

    @cached_property
    def _sizes(self) -> Callable[[tuple[int, ...]], list[int]]:
        # Every operator asks for the sizes of the same few parents.
        def count(parts: tuple[int, ...]) -> list[int]:
            slots = self.slot_array[list(parts)]
            return np.bincount(slots, minlength=len(self.slots) + 1)[: len(self.slots)].tolist()

        return lru_cache(maxsize=32)(count)
