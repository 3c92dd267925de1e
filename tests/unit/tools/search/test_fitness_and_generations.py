"""Fitness by hand-computed cases, who survives, starting subsets, groups, and a generation that improves."""

import math
from collections.abc import Sequence
from random import Random

import pytest
import torch

from fieldmark.tools.search.acceptance import Fittest, improves
from fieldmark.tools.search.algebra import Arena, Outcomes, Parts
from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu, part_key
from fieldmark.tools.search.fitness import (
    AccuracyFitness,
    EntropyFitness,
    LexicographicFitness,
    fitness_named,
)
from fieldmark.tools.search.generation import evolve, search_seed
from fieldmark.tools.search.operators import Operator
from fieldmark.tools.search.sampling import confused_groups, group_size, promise_groups, random_subsets

OUTCOMES = Outcomes(
    rank=torch.tensor([[0, 0, 3, 9], [0, 0, 1, 9], [0, 1, 1, 2]]),
    loss=torch.tensor(
        [[0.1, 0.1, 1.0, 2.8], [0.2, 0.2, 0.4, 1.2], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64
    ),
    size=torch.tensor([4.0, 8.0, 4.0], dtype=torch.float64),
)


def test_entropy_fitness_by_hand() -> None:
    # 0.1·50 + 0.1·75 − 10·1.0; 0.1·50 + 0.1·75 − 10·0.5; 0.1·25 + 0.1·100 − 0
    assert EntropyFitness()(OUTCOMES).tolist() == pytest.approx([2.5, 7.5, 12.5])
    assert EntropyFitness(penalty=0.5)(OUTCOMES).tolist() == pytest.approx([0.5, 3.5, 10.5])


def test_accuracy_knows_no_entropy_and_lexicographic_breaks_its_ties() -> None:
    assert AccuracyFitness()(OUTCOMES).tolist() == [50.0, 50.0, 25.0]
    first, second, third = LexicographicFitness()(OUTCOMES).tolist()
    assert second > first > third
    assert second - first < 100 / 4


def tied(*losses: float, images: int = 4) -> Outcomes:
    """Candidates that get the same images right, with these mean losses."""
    rank = torch.tensor([0, 1] * (images // 2)).expand(len(losses), -1)
    loss = torch.tensor(losses, dtype=torch.float64)[:, None].expand(-1, images)
    return Outcomes(rank=rank, loss=loss, size=torch.full((len(losses),), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("name", ["entropy", "lexicographic"])
@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_among_equally_accurate_the_lower_cross_entropy_wins(name: str, penalty: float) -> None:
    for images in (2, 4, 1280):
        values = fitness_named(name, penalty=penalty)(tied(20.0, 3.0001, 3.0, 0.5, images=images)).tolist()
        assert values == sorted(set(values))
    candidates = [PromptCandidate((n,), n, value) for n, value in enumerate(values)]
    assert Fittest(1)((), candidates)[0].key == 3


def test_accuracy_alone_leaves_ties_to_the_smaller_book() -> None:
    assert len(set(fitness_named("accuracy")(tied(20.0, 3.0, 0.5)).tolist())) == 1


def test_no_cross_entropy_outweighs_an_image_where_accuracy_comes_first() -> None:
    rank = torch.tensor([[0] * 639 + [1] * 641, [0] * 640 + [1] * 640])
    loss = torch.tensor([[0.0], [1e6]], dtype=torch.float64).expand(-1, 1280)
    worse, better = LexicographicFitness()(Outcomes(rank=rank, loss=loss, size=torch.ones(2))).tolist()
    assert better > worse


def test_fitness_by_name() -> None:
    assert fitness_named("lexicographic", penalty=2.0) == LexicographicFitness(penalty=2.0)
    with pytest.raises(KeyError):
        fitness_named("beauty")


def test_the_fittest_of_all_survive_and_ties_go_to_the_smaller_book() -> None:
    old = (PromptCandidate((1, 2), 5, 1.0), PromptCandidate((1,), 6, 0.5))
    new = [PromptCandidate((1, 2, 3), 7, 2.0), PromptCandidate((2,), 8, 1.0), PromptCandidate((3,), 9, 0.1)]
    assert [c.key for c in Fittest(3)(old, new)] == [7, 8, 5]
    assert improves(new[0], old[0])
    assert not improves(new[1], old[0])


def test_random_subsets_leave_no_class_empty() -> None:
    subsets = random_subsets([[0, 1, 2, 3], [4], []], Random(1))
    assert len(subsets) == 20
    assert all(4 in parts and any(part < 4 for part in parts) for parts in subsets.values())
    assert random_subsets([[0], [1]], Random(1)) == {}


def test_groups_cover_every_class_once_and_hold_who_is_confused() -> None:
    logits = torch.tensor([[5.0, 4.9, 0, 0], [4.9, 5.0, 0, 0], [0, 0, 5.0, 4.9], [0, 0, 4.9, 5.0]])
    vectors = torch.eye(4)
    groups = confused_groups(logits, torch.arange(4), vectors, size=2)
    assert sorted(c for group in groups for c in group) == [0, 1, 2, 3]
    assert all(len(group) == 2 for group in groups)
    near = torch.tensor([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0, 0, 1, 0], [0, 0, 0.9, 0.1]])
    assert set(confused_groups(logits, torch.arange(4), near, size=2)) == {(0, 1), (2, 3)}


def test_ties_among_the_best_five_go_to_the_class_that_comes_first() -> None:
    # Of forty equal classes each image's best five are 0 to 4, so that 0 to 4 are the confused ones.
    groups = confused_groups(torch.zeros(40, 40), torch.arange(40), torch.eye(40), size=5)
    assert groups[0] == (0, 1, 2, 3, 4)
    assert promise_groups([0.1, 3.0, -1.0, 2.0], 2) == [(1, 3)]


@pytest.mark.parametrize(("classes", "size"), [(1, 1), (2, 2), (3, 3), (47, 10), (80, 11), (1000, 17)])
def test_group_size(classes: int, size: int) -> None:
    assert group_size(classes) == size == min(classes, max(2, round(2.5 * math.log(classes)))) or classes == 1


def test_generations_improve_and_score_nothing_twice() -> None:
    chance = torch.Generator().manual_seed(0)
    centres = torch.randn(5, 8, generator=chance)
    units = torch.nn.functional.normalize(
        torch.cat([centres + torch.randn(5, 8, generator=chance) * s for s in (0.1, 3, 3, 3)]), dim=1
    )
    columns = torch.arange(5).repeat(4)
    arena = Arena(
        torch.nn.functional.normalize(centres, dim=1), torch.arange(5),
        parts=Parts(units[:, None], columns[:, None]), moving=range(5), scale=10.0, classes=5,
    )  # fmt: skip
    menu = PromptMenu(
        tuple(tuple(range(c, 20, 5)) for c in range(5)), [part_key(str(p)) for p in range(20)], least=1
    )
    start = tuple(range(5, 20))
    first = PromptCandidate(start, menu.key(start), -1e9)
    seen: set[int] = set()
    survivors, keys = (first,), []
    for number in range(30):
        made = evolve(arena, menu, survivors, seen=seen, rng=search_seed(0, number), fitness=EntropyFitness())
        assert made.survivors[0].fitness >= survivors[0].fitness
        survivors = made.survivors
        keys += [row.key for row in made.scored]
    assert len(keys) == len(set(keys)) == len(seen)
    assert {0, 1, 2, 3, 4} <= set(survivors[0].parts)  # the good unit of every class was found
    whole = arena.outcomes(arena.parents([survivors[0]]))
    assert survivors[0].fitness == pytest.approx(float(EntropyFitness()(whole)[0]), abs=1e-8)


def listed(edits: Sequence[PromptEdit]) -> Operator:
    """An operator that proposes these edits and nothing else."""
    return lambda parents, menu, rng: iter(edits)


def survivors_of_ties(edits: Sequence[PromptEdit], keep: int) -> tuple[PromptCandidate, ...]:
    """Who survives a generation in which every candidate is right about the only image."""
    unit = torch.tensor([[1.0, 0.0]] * 40 + [[0.0, 1.0]], dtype=torch.float64)
    columns = torch.tensor([0] * 40 + [1])
    arena = Arena(
        torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0]),
        parts=Parts(unit[:, None], columns[:, None]), moving=range(2), scale=10.0, classes=2,
    )  # fmt: skip
    menu = PromptMenu((tuple(range(40)), (40,)), [part_key(str(part)) for part in range(41)])
    parent = PromptCandidate((0, 1, 40), menu.key((0, 1, 40)), 0.0)
    return evolve(
        arena, menu, (parent,), seen=set(), rng=search_seed(0), fitness=AccuracyFitness(),
        operators=(listed(edits),), acceptance=Fittest(keep),
    ).survivors  # fmt: skip


def test_as_many_survive_as_acceptance_keeps_however_few_the_parents() -> None:
    larger = [PromptEdit(0, (part,), (), "add") for part in range(2, 21)]
    assert len(survivors_of_ties(larger, keep=20)) == 20


def test_among_equals_the_smaller_book_survives_whenever_it_was_proposed() -> None:
    larger = [PromptEdit(0, (part,), (), "add") for part in range(2, 21)]
    smaller = [PromptEdit(0, (part,), (0, 1), "swap") for part in range(21, 30)]
    kept = survivors_of_ties([*larger, *smaller], keep=4)
    assert [len(book.parts) for book in kept] == [2, 2, 2, 2]
    assert [book.key for book in kept] == sorted(book.key for book in kept)
