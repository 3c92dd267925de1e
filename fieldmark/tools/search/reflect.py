"""The operator that tries the parts a language model suggested for confused classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu

REFLECT = "reflect"


@dataclass(frozen=True)
class Suggested:
    """What was suggested for one slot.

    Attributes:
        fresh: Parts of the slot to put in.
        criticised: Parts of the slot to take out.
    """

    fresh: tuple[int, ...]
    criticised: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reflect:
    """Puts a suggested part in, in place of a criticised one where the parent holds one.

    Attributes:
        suggested: What was suggested; slots without a suggestion are left alone.
        each: Edits for each parent.
    """

    suggested: tuple[Suggested, ...]
    each: int = 8

    def __call__(
        self, parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random
    ) -> Iterator[PromptEdit]:
        """See `Operator`."""
        usable = [each for each in self.suggested if each.fresh]
        for number, parent in enumerate(parents):
            held, sizes = set(parent.parts), menu.sizes(parent.parts)
            for _ in range(self.each if usable else 0):
                slot = rng.choice(usable)
                part = rng.choice(slot.fresh)
                old = [each for each in slot.criticised if each in held]
                # Half of the edits keep what was criticised: the critic may be wrong.
                removed = (rng.choice(old),) if old and rng.random() < 0.5 else ()
                if part not in held and (removed or sizes[menu.slot_of[part]] < menu.most):
                    yield PromptEdit(number, (part,), removed, REFLECT)
