import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.concepts.stratified_sample import draw_stratified


def test_weights_sum_to_the_pool_and_likely_images_are_drawn_more_often():
    scores = torch.linspace(1, 0, 1000)
    drawn = draw_stratified(scores, 100, seed=1)
    assert len(drawn) == 100
    assert sum(drawn.values()) == pytest.approx(1000)
    assert list(drawn) == sorted(drawn)
    assert sum(row < 20 for row in drawn) == 20  # the whole top 2%: fewer than a fourth of the draw
    assert drawn[0] == 1.0
    assert drawn == draw_stratified(scores, 100, seed=1) != draw_stratified(scores, 100, seed=2)


def test_weighted_means_are_unbiased():
    scores = torch.linspace(1, 0, 500)
    truth = torch.zeros(500)
    truth[:12] = 1  # a rare concept, all of it among the likely ones
    truth[200:210] = 1
    estimates = []
    for seed in range(300):
        drawn = draw_stratified(scores, 60, seed=seed)
        estimates.append(sum(weight * float(truth[row]) for row, weight in drawn.items()) / 500)
    assert sum(estimates) / len(estimates) == pytest.approx(22 / 500, abs=0.004)


def test_all_are_drawn_from_a_small_pool():
    assert draw_stratified(torch.rand(30), 100, seed=0) == dict.fromkeys(range(30), 1.0)


def test_what_cannot_be_drawn():
    with pytest.raises(InputError):
        draw_stratified(torch.rand(0), 10, seed=0)
    with pytest.raises(InputError, match="too small"):
        draw_stratified(torch.rand(1000), 2, seed=0)
