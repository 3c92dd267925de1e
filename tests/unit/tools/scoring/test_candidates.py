"""Candidate rules: one contract for all, then what is particular to each; temperatures."""

import math

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring.candidates import (
    Conformal,
    Margin,
    RegularisedConformal,
    TopK,
    class_probabilities,
    spread_temperature,
    with_confidence,
)

RULES = [
    Margin(),
    Margin(tau=1.0, k=1),
    TopK(3),
    Conformal(0.6, 0.1, 100),
    RegularisedConformal(0.8, 0.1, 100),
]


def made_up(seed=0, images=50, classes=7):
    generator = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(images, classes, generator=generator)).softmax(1)
    previous = torch.rand(images, classes, generator=generator) < 0.6
    previous[0] = False
    return probabilities, previous


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
class TestEveryRule:
    def test_only_removes(self, rule):
        probabilities, previous = made_up()
        found = rule(probabilities, previous)
        assert found.dtype == torch.bool
        assert not bool((found & ~previous).any())
        assert not bool(found[0].any())

    def test_stays_nested_over_rounds_whatever_the_probabilities_do(self, rule):
        left = torch.ones(50, 7, dtype=torch.bool)
        for seed in range(5):
            probabilities, _ = made_up(seed)
            found = rule(probabilities, left)
            assert not bool((found & ~left).any())
            left = found

    def test_shapes_and_types_that_do_not_fit_are_refused(self, rule):
        probabilities, previous = made_up()
        for wrong in (previous[:, :3], previous.float()):
            with pytest.raises(InputError):
                rule(probabilities, wrong)

    def test_no_images_give_no_rows(self, rule):
        assert rule(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.bool)).shape == (0, 3)


def test_margin_by_hand():
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05], [0.42, 0.42, 0.16]])
    everything = torch.ones(3, 3, dtype=torch.bool)
    kept = [[True, True, False], [True, False, False], [True, True, False]]
    assert Margin(tau=0.5, k=3)(probabilities, everything).tolist() == kept
    first_of_equals = [[True, False, False]] * 3
    assert Margin(tau=0.5, k=1)(probabilities, everything).tolist() == first_of_equals


def test_margin_is_measured_against_the_best_that_is_left():
    probabilities = torch.tensor([[0.9, 0.06, 0.04]])
    previous = torch.tensor([[False, True, True]])
    assert Margin(tau=0.5)(probabilities, previous).tolist() == [[False, True, True]]


def test_margin_never_empties_a_row():
    probabilities, previous = made_up(3)
    for values in (probabilities, torch.zeros_like(probabilities)):
        kept = Margin(tau=1.0, k=1)(values, previous)
        assert torch.equal(kept.any(1), previous.any(1))


def test_top_k_never_resolves_by_itself():
    probabilities = torch.tensor([[1.0, 0.0, 0.0]])
    assert int(TopK(2)(probabilities, torch.ones(1, 3, dtype=torch.bool)).sum()) == 2
    with pytest.raises(InputError):
        TopK(1)


@pytest.mark.parametrize(("tau", "k"), [(0.0, 5), (1.1, 5), (0.5, 0)])
def test_margin_out_of_range_is_refused(tau, k):
    with pytest.raises(InputError):
        Margin(tau=tau, k=k)


def test_conformal_rejects_where_nothing_fits():
    rule = Conformal(0.3, 0.1, 100)
    assert not bool(rule(torch.tensor([[0.4, 0.3, 0.3]]), torch.ones(1, 3, dtype=torch.bool)).any())


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_conformal_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(InputError):
        Conformal.calibrate(torch.full((10, 2), 0.5), torch.zeros(10, dtype=torch.int64), alpha=alpha)


@pytest.mark.parametrize("labels", [torch.tensor([0, 2]), torch.tensor([0]), torch.tensor([-1, 0])])
def test_conformal_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(InputError):
        Conformal.calibrate(torch.full((2, 2), 0.5), labels)


def test_raps_by_hand():
    rule = RegularisedConformal(0.81, 0.1, 100, penalty=0.1, free_ranks=1)
    # cumulative .6, .8, 1.0, plus penalties 0, .1, .2
    probabilities = torch.tensor([[0.2, 0.6, 0.2]])
    assert rule(probabilities, torch.ones(1, 3, dtype=torch.bool)).tolist() == [[False, True, False]]


def test_probabilities_within_what_is_left():
    scores = torch.tensor([[0.0, math.log(3.0), 50.0], [1.0, 2.0, 3.0]])
    within = torch.tensor([[True, True, False], [False, False, False]])
    found = class_probabilities(scores, 1.0, within=within)
    assert torch.allclose(found, torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]]))
    with pytest.raises(InputError):
        class_probabilities(scores, 0.0)


@pytest.mark.parametrize("rivals", [1.5, 4.0, 6.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_temperature_spreads_over_the_rivals(rivals, scale):
    scores = scale * torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    p = class_probabilities(scores, spread_temperature(scores, rivals=rivals)).double()
    perplexity = math.exp(float(-(p * p.clamp(min=1e-300).log()).sum(1).mean()))
    assert perplexity == pytest.approx(rivals, rel=1e-3)


def test_temperature_follows_the_scale_of_the_scores():
    scores = torch.randn(100, 8, generator=torch.Generator().manual_seed(1))
    assert spread_temperature(40 * scores) == pytest.approx(40 * spread_temperature(scores), rel=1e-4)


@pytest.mark.parametrize("scores", [torch.zeros(5, 3), torch.zeros(0, 3), torch.ones(4, 1)])
def test_temperature_is_one_where_none_can_matter(scores):
    assert spread_temperature(scores) == 1.0


def test_temperature_ignores_classes_out_of_the_running():
    scores = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    padded = torch.cat([scores, torch.full((50, 2), -torch.inf)], dim=1)
    padded = torch.cat([padded, torch.full((1, 8), -torch.inf)])
    assert spread_temperature(padded, rivals=3.0) == pytest.approx(spread_temperature(scores, rivals=3.0))


def test_what_is_taken_off_the_best_is_spread_and_the_order_stays() -> None:
    given = torch.tensor([[0.9, 0.06, 0.04], [0.4, 0.39, 0.21]])
    found = with_confidence(given, torch.tensor([0.8, 0.36]))
    assert torch.allclose(found.max(1).values, torch.tensor([0.8, 0.36]))
    assert torch.allclose(found.sum(1), torch.ones(2))
    assert torch.equal(found.argsort(1), given.argsort(1))


def test_what_is_added_to_the_best_comes_off_the_others_in_proportion() -> None:
    given = torch.tensor([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    found = with_confidence(given, torch.tensor([0.9, 1.0]))
    assert torch.allclose(found, torch.tensor([[0.9, 0.06, 0.04], [1.0, 0.0, 0.0]]))
