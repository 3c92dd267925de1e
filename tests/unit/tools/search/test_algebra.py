"""Incremental scoring against scoring from nothing, its drift, ties, and columns that stand still."""

from random import Random

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.search import algebra
from fieldmark.tools.search.algebra import Arena, Parts
from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit

C, D, EACH, SHOTS = 7, 12, 5, 2
SCALE = 20.0


def unit(tensor: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(tensor, dim=-1)


@pytest.fixture
def world() -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(3)
    return {
        "images": unit(torch.randn(C * SHOTS, D, generator=chance, dtype=torch.float64)),
        "labels": torch.arange(C).repeat_interleave(SHOTS),
        "units": unit(torch.randn(C * EACH, D, generator=chance, dtype=torch.float64)),
        "owner": torch.arange(C).repeat_interleave(EACH),
    }


def from_nothing(world: dict[str, torch.Tensor], parts: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ranks and losses the plain way: gather everything, average, multiply, softmax."""
    sums = torch.zeros(C, D, dtype=torch.float64)
    for part in parts:
        sums[int(world["owner"][part])] += world["units"][part]
    logits = SCALE * world["images"] @ unit(sums).T
    true = logits.gather(1, world["labels"][:, None])
    loss = torch.nn.functional.cross_entropy(logits, world["labels"], reduction="none")
    return (logits >= true).sum(1) - 1, loss


def arena(world: dict[str, torch.Tensor], moving: list[int], book: list[int]) -> tuple[Arena, list[int]]:
    inside = [p for p in range(C * EACH) if int(world["owner"][p]) in moving]
    columns = torch.tensor([moving.index(int(world["owner"][p])) for p in inside])
    sums = torch.zeros(C, D, dtype=torch.float64).index_add_(0, world["owner"][book], world["units"][book])
    still = SCALE * world["images"] @ unit(sums).T
    made = Arena(
        world["images"],
        world["labels"],
        parts=Parts(world["units"][inside][:, None], columns[:, None]),
        moving=moving,
        scale=SCALE,
        classes=C,
        still=None if len(moving) == C else still,
    )
    return made, inside


BOOK = [c * EACH + k for c in range(C) for k in range(3)]


@pytest.mark.parametrize("moving", [list(range(C)), [1, 4, 6], [0]])
def test_an_edit_scores_as_the_whole_book_does(
    world: dict[str, torch.Tensor], moving: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(algebra, "MOST_ELEMENTS", 900)  # several batches
    made, inside = arena(world, moving, BOOK)
    mine = tuple(i for i, p in enumerate(inside) if p in BOOK)
    chance = Random(5)
    edits: list[PromptEdit] = []
    for _ in range(40):
        out = [i for i in range(len(inside)) if i not in mine]
        added = tuple(sorted(chance.sample(out, chance.randint(0, 2))))
        removed = tuple(sorted(chance.sample(mine, chance.randint(0, 1))))
        edits.append(PromptEdit(0, added, removed, "test"))
    parents = made.parents([PromptCandidate(mine, 0)])
    batches = list(made.score(parents, edits))
    assert len(batches) > 1
    rank = torch.cat([b.rank for b in batches])
    loss = torch.cat([b.loss for b in batches])
    size = torch.cat([b.size for b in batches])
    for row, edit in enumerate(edits):
        child = edit.applied(mine)
        whole = [p for p in BOOK if p not in inside] + [inside[i] for i in child]
        want_rank, want_loss = from_nothing(world, whole)
        assert rank[row].tolist() == want_rank.tolist()
        assert torch.allclose(loss[row], want_loss, atol=1e-10)
        assert size[row] == len(child)


def test_parents_are_scored_as_whole_books(world: dict[str, torch.Tensor]) -> None:
    made, _ = arena(world, list(range(C)), BOOK)
    other = BOOK[:-1]
    outcomes = made.outcomes(
        made.parents([PromptCandidate(tuple(BOOK), 0), PromptCandidate(tuple(other), 0)])
    )
    for row, book in enumerate((BOOK, other)):
        rank, loss = from_nothing(world, book)
        assert outcomes.rank[row].tolist() == rank.tolist()
        assert torch.allclose(outcomes.loss[row], loss, atol=1e-10)


def test_a_unit_that_stands_twice_weighs_twice(world: dict[str, torch.Tensor]) -> None:
    made, _ = arena(world, list(range(C)), BOOK)
    parents = made.parents([PromptCandidate(tuple(BOOK), 0)])
    (outcome,) = made.score(parents, [PromptEdit(0, (0,), (), "again")])
    _, loss = from_nothing(world, [*BOOK, 0])
    assert torch.allclose(outcome.loss[0], loss, atol=1e-10)


def test_rounding_errors_do_not_add_up_over_ten_thousand_edits(world: dict[str, torch.Tensor]) -> None:
    made, _ = arena(world, list(range(C)), BOOK)
    held = tuple(BOOK)
    chance = Random(1)
    loss = torch.zeros(0)
    for step in range(10_000):
        if step % 100 == 0:
            parents = made.parents([PromptCandidate(held, 0)])
        part = chance.randrange(C * EACH)
        slot = [p for p in held if p // EACH == part // EACH]
        if part in held and len(slot) == 1:
            continue
        edit = PromptEdit(0, (), (part,), "out") if part in held else PromptEdit(0, (part,), (), "in")
        held = edit.applied(held)
        if step % 100 == 99:
            parents = made.parents([PromptCandidate(held, 0)])
            (outcome,) = made.score(parents, [PromptEdit(0, (), (), "none")])
            loss = outcome.loss[0]
    # What was summed by edits alone, without a fresh sum in ten thousand of them, is as near.
    sums = torch.zeros(C, D, dtype=torch.float64)
    sums.index_add_(0, world["owner"][BOOK], world["units"][BOOK])
    walked, chance = tuple(BOOK), Random(1)
    for _ in range(10_000):
        part = chance.randrange(C * EACH)
        if part in walked and len([p for p in walked if p // EACH == part // EACH]) == 1:
            continue
        inside = part in walked
        sums[part // EACH] += (-1 if inside else 1) * world["units"][part]
        walked = tuple(p for p in walked if p != part) if inside else (*walked, part)
    _, want = from_nothing(world, list(held))
    assert sorted(walked) == sorted(held)
    assert float((loss - want).abs().max()) < 1e-9
    logits = SCALE * world["images"] @ unit(sums).T
    drifted = torch.nn.functional.cross_entropy(logits, world["labels"], reduction="none")
    assert float((drifted - want).abs().max()) < 1e-6


def test_a_template_moves_every_class_at_once(world: dict[str, torch.Tensor]) -> None:
    # Part p holds the p-th unit of every class.
    vectors = world["units"].reshape(C, EACH, D).transpose(0, 1)
    made = Arena(
        world["images"],
        world["labels"],
        parts=Parts(vectors, torch.arange(C).expand(EACH, -1)),
        moving=range(C),
        scale=SCALE,
        classes=C,
    )
    parents = made.parents([PromptCandidate((0,), 0)])
    (outcome,) = made.score(parents, [PromptEdit(0, (2,), (), "add"), PromptEdit(0, (3, 4), (0,), "swap")])
    for row, parts in enumerate(((0, 2), (3, 4))):
        rank, loss = from_nothing(world, [c * EACH + p for p in parts for c in range(C)])
        assert outcome.rank[row].tolist() == rank.tolist()
        assert torch.allclose(outcome.loss[row], loss, atol=1e-10)


def test_equal_texts_are_no_right_answer() -> None:
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    made = Arena(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([0]),
        parts=Parts(same[:, None], torch.tensor([[0], [1]])),
        moving=[0, 1],
        scale=1.0,
        classes=2,
    )
    assert made.outcomes(made.parents([PromptCandidate((0, 1), 0)])).rank.tolist() == [[1]]


def test_a_search_without_images_is_refused() -> None:
    with pytest.raises(InputError, match="training images"):
        Arena(
            torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64),
            parts=Parts(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.int64)),
            moving=[0], scale=1.0, classes=1,
        )  # fmt: skip


def test_parts_that_stand_still_count_in_the_size(world: dict[str, torch.Tensor]) -> None:
    sums = torch.zeros(C, D, dtype=torch.float64).index_add_(0, world["owner"][BOOK], world["units"][BOOK])
    made = Arena(
        world["images"],
        world["labels"],
        parts=Parts(world["units"][:EACH][:, None], torch.zeros(EACH, 1, dtype=torch.int64)),
        moving=[0],
        scale=SCALE,
        classes=C,
        still=SCALE * world["images"] @ unit(sums).T,
        standing=18,
    )
    parents = made.parents([PromptCandidate((0, 1, 2), 0)])
    assert made.outcomes(parents).size.tolist() == [21.0]
    (scored,) = made.score(parents, [PromptEdit(0, (3, 4), (), "add"), PromptEdit(0, (), (1,), "remove")])
    assert scored.size.tolist() == [23.0, 20.0]


@pytest.mark.parametrize("moving", [list(range(C)), [1, 4, 6]])
def test_a_steep_scale_gives_the_same_losses(
    world: dict[str, torch.Tensor], moving: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [p for p in range(C * EACH) if int(world["owner"][p]) in moving]
    mine = tuple(i for i, p in enumerate(inside) if p in BOOK)
    edits = [PromptEdit(0, (i,), (), "add") for i in range(len(inside)) if i not in mine]
    made, _ = arena(world, moving, BOOK)
    (usual,) = made.score(made.parents([PromptCandidate(mine, 0)]), edits)
    # Where exponentials relative to the parents' could leave the range, each candidate has its own.
    monkeypatch.setattr(algebra, "_MOST_SCALE", SCALE / 2)
    (steep,) = made.score(made.parents([PromptCandidate(mine, 0)]), edits)
    assert torch.equal(usual.rank, steep.rank)
    assert torch.allclose(usual.loss, steep.loss, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(made, "scale", 5000.0)
    (steepest,) = made.score(made.parents([PromptCandidate(mine, 0)]), edits)
    assert bool(steepest.loss.isfinite().all())


def test_parents_that_live_on_are_those_summed_anew(world: dict[str, torch.Tensor]) -> None:
    made, inside = arena(world, [1, 4, 6], BOOK)
    mine = tuple(i for i, p in enumerate(inside) if p in BOOK)
    first, second = PromptCandidate(mine, 0), PromptCandidate((0, 3, *mine[5:]), 0)
    made.parents([first])
    together = made.parents([second, first, second])
    fresh, _ = arena(world, [1, 4, 6], BOOK)
    again = fresh.parents([second, first, second])
    for name in ("dots", "grams", "squares", "sizes"):
        assert (getattr(together, name) == getattr(again, name)).all()


def test_the_number_of_threads_is_what_it_was(world: dict[str, torch.Tensor]) -> None:
    made, inside = arena(world, [1, 4, 6], BOOK)
    mine = tuple(i for i, p in enumerate(inside) if p in BOOK)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        scoring = made.score(
            made.parents([PromptCandidate(mine, 0)]), [PromptEdit(0, (), (mine[0],), "remove")]
        )
        next(scoring)  # and is abandoned
        assert torch.get_num_threads() == 2
        with pytest.raises(IndexError):
            made.parents([PromptCandidate((9999,), 0)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
