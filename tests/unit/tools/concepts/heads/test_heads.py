from dataclasses import replace

import pytest
import torch

from fieldmark.errors import InputError, ModelError
from fieldmark.records import Clause, Costs, Definition
from fieldmark.tools.concepts.heads import network
from fieldmark.tools.concepts.heads.choose import (
    calibration_weight,
    choose_head,
    platt,
    stratified_folds,
)
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer
from fieldmark.tools.concepts.heads.train import Examples, HeadRecipe, fit

BOTH = Definition(
    clauses=(
        Clause(id="a", role="necessary", text="a"),
        Clause(id="x", role="negative", text="x"),
    )
)


def made(count, *, seed=0, width=24, tell=1.0):
    """A concept that is a and not x: no line separates it, its clauses are linear."""
    chance = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(count, width, generator=chance), dim=1)
    clauses = (vectors[:, :2] > 0).float()
    target = clauses[:, 0] * (1 - clauses[:, 1])
    told = torch.rand(count, 2, generator=chance) < tell
    return Examples(vectors, target, clauses.where(told, torch.nan), torch.ones(count), torch.ones(count))


def test_a_linear_head_finds_a_line_and_vectors_need_no_preparation():
    examples = made(600)
    line = replace(
        examples,
        vectors=examples.vectors * 3 + 5,
        target=examples.clauses[:, 0],
        clauses=examples.clauses[:, :0],
    )
    scores = fit(line, HeadRecipe(0, 1e-3))(line.vectors)[:, 0]
    assert float(((scores > 0) == (line.target > 0.5)).float().mean()) > 0.97


def test_the_tree_wins_where_the_clauses_are_linear_and_the_concept_is_not():
    fitted = choose_head(made(800, tell=0.9), BOTH, seed=1)
    assert fitted.head.route == "logic"
    fresh = made(2000, seed=5)
    p, clauses = fitted.head.probabilities(fresh.vectors)
    right = (p >= fitted.head.threshold) == (fresh.target > 0.5)
    assert float(right.float().mean()) > 0.93
    assert float(((clauses > 0.5) == (fresh.clauses > 0.5)).float().mean()) > 0.93
    direct = max(c.mean for c in fitted.contenders if c.route == "direct" and not c.recipe.hidden)
    assert max(c.mean for c in fitted.contenders) > direct + 0.05


def test_the_same_seed_gives_the_same_head():
    first, second = (choose_head(made(120), BOTH, seed=3).head for _ in range(2))
    assert torch.equal(first.network.output.weight, second.network.output.weight)
    assert (first.slope, first.intercept, first.threshold) == (
        second.slope,
        second.intercept,
        second.threshold,
    )


def test_probabilities_are_calibrated():
    chance = torch.Generator().manual_seed(0)
    scores = torch.randn(20_000, generator=chance) * 4
    target = (torch.rand(20_000, generator=chance) < torch.sigmoid(0.5 * scores - 1)).float()
    slope, intercept = platt(scores, target, torch.ones(20_000))
    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-1, abs=0.06)


def test_costs_move_the_threshold():
    examples = made(400, tell=0.5)
    cheap = choose_head(examples, BOTH, costs=Costs(false_positive=1, false_negative=9)).head.threshold
    dear = choose_head(examples, BOTH, costs=Costs(false_positive=9, false_negative=1)).head.threshold
    assert cheap < dear


def test_weights_count():
    examples = made(300)
    wrong = torch.cat([examples.target, 1 - examples.target])
    twice = Examples(
        examples.vectors.repeat(2, 1),
        wrong,
        examples.clauses.repeat(2, 1)[:, :0],
        torch.cat([torch.full((300,), 10.0), torch.full((300,), 0.1)]),
        torch.ones(600),
    )
    scores = fit(twice, HeadRecipe(0, 1e-3))(examples.vectors)[:, 0]
    assert float(((scores > 0) == (examples.target > 0.5)).float().mean()) > 0.75


def test_folds_hold_both_kinds():
    target = torch.tensor([1.0] * 5 + [0.0] * 50)
    fold = stratified_folds(target, 4, 0)
    assert all(bool(((fold == n) & (target == 1)).any()) for n in range(4))
    assert int(stratified_folds(torch.tensor([1.0, 1, 0, 0, 0]), 4, 0).max()) == 1


@pytest.mark.parametrize("positive", [0, 1, 39, 40])
def test_what_nothing_can_be_learned_from_is_refused(positive):
    examples = made(40)
    target = (torch.arange(40) < positive).float()
    with pytest.raises(InputError, match="at least two of each kind"):
        choose_head(replace(examples, target=target), BOTH)


def test_scoring_in_blocks_changes_nothing(monkeypatch):
    head = choose_head(made(100), BOTH).head
    vectors = made(50, seed=9).vectors
    whole = head.probabilities(vectors)
    monkeypatch.setattr(network, "BLOCK", 7)
    for one, other in zip(whole, head.probabilities(vectors), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert head.probabilities(vectors[:0])[1].shape == (0, 2)


def test_vectors_of_another_width_are_refused():
    head = Head(HeadNetwork(Layer(torch.zeros(1, 4), torch.zeros(1))), "direct", Definition())
    with pytest.raises(ModelError, match="width 4"):
        head.probabilities(torch.zeros(2, 5))


def test_calibration_looks_at_what_was_drawn_by_chance():
    examples = made(400)
    mined = (torch.arange(400) < 200) & (examples.target > 0.5)  # half of what is in was looked for
    stands_for = torch.where(mined, 0.0, 5.0)
    even = choose_head(examples, BOTH)
    drawn = choose_head(replace(examples, stands_for=stands_for), BOTH)
    assert float(drawn.out_of_fold.mean()) < float(even.out_of_fold.mean())
    few = torch.zeros(400)
    few[:5] = 1.0
    assert torch.equal(calibration_weight(replace(examples, stands_for=few)), examples.weight)


def test_a_label_that_counts_much_in_fitting_stands_for_no_more_images_than_any_other():
    examples = made(400, seed=6)
    weight = torch.full((400,), 0.5)
    weight[:3] = 50.0
    stands_for = torch.full((400,), 7.0)
    stands_for[300:] = 0.0
    found = calibration_weight(replace(examples, weight=weight, stands_for=stands_for))
    assert found[:3].tolist() == [7.0] * 3
    assert found[3:300].tolist() == [3.5] * 297
    assert not found[300:].any()
    nothing_drawn = calibration_weight(replace(examples, weight=weight, stands_for=torch.zeros(400)))
    assert nothing_drawn.tolist() == [1.0] * 3 + [0.5] * 397


def test_texts_teach_what_few_examples_cannot():
    chance = torch.Generator().manual_seed(2)
    examples = replace(made(40, seed=3, width=96), clauses=torch.zeros(40, 0))
    fresh = made(2000, seed=4, width=96)
    directions = torch.zeros(2, 96)
    directions[0, 0] = directions[1, 1] = 1.0
    directions += 0.05 * torch.randn(2, 96, generator=chance)

    def right(target, texts, hidden=0):
        found = fit(replace(examples, target=target(examples)), HeadRecipe(hidden, 0.1), texts=texts)(
            fresh.vectors
        )
        return float(((found[:, -1] > 0) == (target(fresh) > 0.5)).float().mean())

    def first(each):
        return (each.vectors[:, 0] > 0).float()

    assert right(first, directions) > 0.78 > 0.7 > right(first, None)
    assert right(first, directions, hidden=16) > right(first, None, hidden=16) + 0.04


def test_texts_that_say_nothing_do_no_harm():
    examples, fresh = made(600), made(2000, seed=5)
    noise = torch.nn.functional.normalize(torch.randn(5, 24, generator=torch.manual_seed(0)), dim=1)
    plain, with_noise = (choose_head(examples, BOTH, texts=texts).head for texts in (None, noise))
    shares = []
    for head in (plain, with_noise):
        p, _ = head.probabilities(fresh.vectors)
        shares.append(float(((p >= head.threshold) == (fresh.target > 0.5)).float().mean()))
    assert shares[1] > shares[0] - 0.02
