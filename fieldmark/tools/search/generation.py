"""One generation: propose, drop what was scored before, score the rest in batches, choose the survivors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from random import Random
from typing import NamedTuple

import numpy as np

from fieldmark.tools.search.acceptance import Acceptance, Fittest, standing
from fieldmark.tools.search.algebra import Arena
from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu
from fieldmark.tools.search.changes import Changes
from fieldmark.tools.search.fitness import Fitness, top
from fieldmark.tools.search.operators import OPERATORS, Operator


class ScoredCandidate(NamedTuple):
    """One candidate that was scored.

    Attributes:
        key: Its key.
        parent: Key of the candidate that it is an edit of; None for one that stands by itself.
        edit: What was changed; None for one that stands by itself.
        fitness: Its fitness.
        top1: Share of training images it gets right.
    """

    key: int
    parent: int | None
    edit: PromptEdit | None
    fitness: float
    top1: float


@dataclass(frozen=True)
class Generation:
    """What came of one generation.

    Attributes:
        survivors: The next parents, fittest first.
        scored: Everything that was scored, in order.
    """

    survivors: tuple[PromptCandidate, ...]
    scored: tuple[ScoredCandidate, ...]


def search_seed(*parts: object) -> Random:
    """A random generator seeded by `parts` alone: the same in every process."""
    return Random("\x1f".join(str(part) for part in parts))


def score_edits(
    arena: Arena,
    menu: PromptMenu,
    parents: Sequence[PromptCandidate],
    edits: Sequence[PromptEdit],
    fitness: Fitness,
) -> tuple[ScoredCandidate, ...]:
    """Score edits in batches, without choosing among them."""
    changes = Changes.of(edits)
    keys = changes.keys(menu, [parent.key for parent in parents]).tolist()
    return _score(arena, parents, edits, changes, keys, fitness)


def _score(
    arena: Arena,
    parents: Sequence[PromptCandidate],
    edits: Sequence[PromptEdit],
    changes: Changes,
    keys: Sequence[int],
    fitness: Fitness,
) -> tuple[ScoredCandidate, ...]:
    before = [parent.key for parent in parents]
    values: list[float] = []
    right: list[float] = []
    for outcomes in arena.score(arena.parents(parents), changes) if edits else ():
        values += fitness(outcomes).tolist()
        right += top(outcomes, 1).tolist()
    return tuple(
        ScoredCandidate(key, before[edit.parent], edit, value, hit)
        for key, edit, value, hit in zip(keys, edits, values, right, strict=True)
    )


def evolve(
    arena: Arena,
    menu: PromptMenu,
    parents: Sequence[PromptCandidate],
    *,
    seen: set[int],
    rng: Random,
    fitness: Fitness,
    operators: Sequence[Operator] = OPERATORS,
    acceptance: Acceptance | None = None,
    around: int = 0,
    most: int | None = None,
) -> Generation:
    """Run one generation.

    Args:
        arena: Scores candidates.
        menu: What they are made of.
        parents: The fittest so far, fittest first, with their fitness.
        seen: Keys of everything ever scored; what is scored now is put in.
        rng: The random generator.
        fitness: What is maximised.
        operators: What is tried.
        acceptance: Who survives; the four fittest by default.
        around: Key of the parts that stand still, so that keys stay those of whole books.
        most: No more than so many candidates are scored.
    """
    edits = list(proposals(parents, menu, rng, operators))
    changes = Changes.of(edits)
    keys = changes.keys(menu, [parent.key for parent in parents])
    places: list[int] = []
    for place, whole in enumerate((keys + np.uint64(around)).tolist()):
        if whole in seen:
            continue
        if most is not None and len(places) >= most:
            break
        seen.add(whole)
        places.append(place)
    if not places:
        return Generation(tuple(parents), ())
    fresh = [edits[place] for place in places]
    scored = _score(arena, parents, fresh, changes.chosen(places), keys[places].tolist(), fitness)
    accept = acceptance or Fittest()
    return Generation(accept(parents, _promising(parents, fresh, scored, accept.keep)), scored)


def _promising(
    parents: Sequence[PromptCandidate],
    edits: Sequence[PromptEdit],
    scored: Sequence[ScoredCandidate],
    keep: int,
) -> list[PromptCandidate]:
    """The `keep` best; parts are spelled out for those alone."""
    sizes = [len(parent.parts) for parent in parents]

    def rank(at: int) -> tuple[float, int, int]:
        edit = edits[at]
        size = sizes[edit.parent] + len(edit.added) - len(edit.removed)
        return standing(scored[at].fitness, size, scored[at].key)

    return [
        PromptCandidate(
            edits[at].applied(parents[edits[at].parent].parts), scored[at].key, scored[at].fitness
        )
        for at in nsmallest(keep, range(len(scored)), key=rank)
    ]


def proposals(
    parents: Sequence[PromptCandidate], menu: PromptMenu, rng: Random, operators: Sequence[Operator]
) -> Iterator[PromptEdit]:
    """What all operators propose, one after the other."""
    for operator in operators:
        yield from operator(parents, menu, rng)
