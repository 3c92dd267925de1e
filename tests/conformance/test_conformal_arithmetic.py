"""Split conformal: the finite-sample rank by hand, and its coverage on exchangeable images."""

import math

import pytest
import torch

from fieldmark.tools.scoring.candidates import Conformal, RegularisedConformal, conformal_quantile


@pytest.mark.parametrize(
    ("count", "alpha", "rank"),
    [(9, 0.1, 9), (10, 0.1, 10), (19, 0.1, 18), (99, 0.1, 90), (9, 0.7, 3), (4, 0.5, 3), (100, 0.05, 96)],
)
def test_rank_is_the_finite_sample_one(count, alpha, rank):
    scores = torch.arange(1, count + 1, dtype=torch.float64)[torch.randperm(count)]
    assert conformal_quantile(scores, alpha=alpha) == rank


@pytest.mark.parametrize(("count", "alpha"), [(8, 0.1), (18, 0.05), (1, 0.4)])
def test_too_few_images_remove_nothing(count, alpha):
    labels = torch.zeros(count, dtype=torch.int64)
    rule = Conformal.calibrate(torch.full((count, 3), 1 / 3), labels, alpha=alpha)
    assert rule.threshold == math.inf
    assert bool(rule(torch.tensor([[1.0, 0.0, 0.0]]), torch.ones(1, 3, dtype=torch.bool)).all())


def test_candidates_by_hand():
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    rule = Conformal.calibrate(probabilities, torch.tensor([0, 1, 1, 0]), alpha=0.5)
    # nonconformities .25, .5, .25, 0; rank ceil(5 * .5) = 3 of the sorted 0, .25, .25, .5
    assert rule.threshold == 0.25
    test = torch.tensor([[0.8, 0.2], [0.5, 0.5], [0.25, 0.75]])
    everything = torch.ones(3, 2, dtype=torch.bool)
    assert rule(test, everything).tolist() == [[True, False], [False, False], [False, True]]


def made_up(seed, count):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (count,), generator=generator)
    logits = torch.randn(count, 6, generator=generator)
    logits[torch.arange(count), labels] += 1.5
    return logits.softmax(1), labels


@pytest.mark.parametrize("kind", [Conformal, RegularisedConformal])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_coverage_is_what_was_asked_for(kind, alpha):
    covered = []
    for seed in range(40):
        probabilities, labels = made_up(seed, 1200)
        rule = kind.calibrate(probabilities[:200], labels[:200], alpha=alpha)
        kept = rule(probabilities[200:], torch.ones(1000, 6, dtype=torch.bool))
        covered.append(float(kept.gather(1, labels[200:, None]).float().mean()))
    mean = sum(covered) / len(covered)
    # 40 calibrations of 200 images: the mean coverage has a standard error below half a point.
    assert 1 - alpha - 0.015 <= mean <= 1 - alpha + 0.02
