"""Which candidates survive a generation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fieldmark.tools.search.candidates import PromptCandidate


class Acceptance(Protocol):
    """Chooses the parents of the next generation; never raises, and never returns nothing for something."""

    @property
    def keep(self) -> int:
        """How many it may keep: of those just scored it is given no more, the best by `standing`."""
        ...

    def __call__(
        self, survivors: Sequence[PromptCandidate], scored: Iterable[PromptCandidate]
    ) -> tuple[PromptCandidate, ...]:
        """The next parents, fittest first, out of the earlier ones and those just scored."""
        ...


def standing(fitness: float, size: int, key: int) -> tuple[float, int, int]:
    """Sorts the fittest first; among equals the smaller book, then the lower key."""
    return -fitness, size, key


@dataclass(frozen=True)
class Fittest:
    """Keeps the fittest of everything ever scored, by `standing`.

    Attributes:
        keep: How many.
    """

    keep: int = 4

    def __call__(
        self, survivors: Sequence[PromptCandidate], scored: Iterable[PromptCandidate]
    ) -> tuple[PromptCandidate, ...]:
        """See `Acceptance`."""
        ranked = sorted(
            (*survivors, *scored), key=lambda each: standing(each.fitness, len(each.parts), each.key)
        )
        return tuple(ranked[: self.keep])


def improves(candidate: PromptCandidate, start: PromptCandidate) -> bool:
    """Whether a candidate is fitter than the start; equal is not enough to leave what one has."""
    return candidate.fitness > start.fitness
