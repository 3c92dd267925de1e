"""The linear probe: its optimum by hand and by the gradient written out, its choice of L2 by a plain loop."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.linear_probe import fit_linear_probe
from fieldmark.evals.methods.shared.support import Support


def shots(classes, each, seed, *, width=8, noise=0.8):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=generator)
    labels = torch.randperm(classes * each, generator=generator) % classes
    rows = centres[labels] + noise * torch.randn(len(labels), width, generator=generator)
    return Support(torch.nn.functional.normalize(rows, dim=1), labels)


def test_two_opposite_images_by_hand():
    """x = ±(1, 0): W = ±(w, 0) with w = 2·(1 − σ(2w)) / l2, found by halving an interval; b = 0."""
    support = Support(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([0, 1]))
    probe = fit_linear_probe(support, classes=2, l2=0.5)
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle < 2 * (1 - 1 / (1 + math.exp(-2 * middle))) / 0.5:
            low = middle
        else:
            high = middle
    assert probe.weight.tolist() == [
        pytest.approx([low, 0.0], abs=1e-6),
        pytest.approx([-low, 0.0], abs=1e-6),
    ]
    assert probe.bias.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("l2", [1e-3, 0.1, 10.0])
def test_the_gradient_vanishes(l2):
    """∇W = Σᵢ (pᵢ − onehotᵢ)·xᵢ + l2·W and ∇b = Σᵢ (pᵢ − onehotᵢ), in loops: the bias is free."""
    support = shots(4, 6, 0)
    probe = fit_linear_probe(support, classes=4, l2=l2)
    weight, bias = probe.weight.double().numpy(), probe.bias.double().numpy()
    slope, tilt = l2 * weight, np.zeros(4)
    for x, label in zip(support.vectors.double().numpy(), support.labels.tolist(), strict=True):
        odds = np.exp(weight @ x + bias)
        gap = odds / odds.sum() - np.eye(4)[label]
        slope = slope + np.outer(gap, x)
        tilt = tilt + gap
    assert np.abs(slope).max() < 1e-5
    assert np.abs(tilt).max() < 1e-5
    assert np.abs(weight).max() > 0.1  # not the start


def plain_choice(support, classes, values):
    seen, kept, held = {}, [], []
    sizes = [support.labels.tolist().count(c) for c in range(classes)]
    for i, label in enumerate(support.labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        last_of_few = sizes[label] in (2, 3) and seen[label] == sizes[label]
        (held if seen[label] % 4 == 0 or last_of_few else kept).append(i)
    quality = {}
    for value in values:
        fitted = fit_linear_probe(
            Support(support.vectors[kept], support.labels[kept]), classes=classes, l2=value
        )
        logits = fitted.scores(support.vectors[held]).double()
        truth = support.labels[held]
        right = sum(int(row.argmax() == label) for row, label in zip(logits, truth, strict=True))
        loss = sum(float(row.logsumexp(0) - row[label]) for row, label in zip(logits, truth, strict=True))
        quality[value] = (right, -loss)
    return max(values, key=lambda value: quality[value])


@pytest.mark.parametrize("each", [2, 3, 4, 9])
@pytest.mark.parametrize("seed", [0, 1])
def test_l2_is_chosen_on_held_out_images(each, seed):
    support = shots(4, each, seed, noise=1.5)
    values = (100.0, 1.0, 1e-2)
    probe = fit_linear_probe(support, classes=4, l2=values)
    assert probe.l2 == plain_choice(support, 4, values)
    again = fit_linear_probe(support, classes=4, l2=probe.l2)  # fitted anew on all images
    assert torch.equal(probe.weight, again.weight)


def test_noisy_images_ask_for_more_l2():
    values = (100.0, 0.1, 1e-3)
    easy, hard = (fit_linear_probe(shots(4, 8, 0, noise=noise), classes=4, l2=values) for noise in (0.3, 1.5))
    assert easy.l2 < hard.l2


def test_with_one_image_a_class_the_largest_l2_is_used():
    assert fit_linear_probe(shots(5, 1, 0), classes=5, l2=(1e-3, 1.0, 0.1)).l2 == 1.0


def test_classes_without_images_are_never_called():
    support = shots(3, 4, 0)
    wide = Support(support.vectors, support.labels * 2)  # classes 0, 2, 4 of 6
    found = fit_linear_probe(wide, classes=6, l2=0.1).scores(support.vectors)
    assert found[:, [1, 3, 5]].eq(-torch.inf).all()
    narrow = fit_linear_probe(support, classes=3, l2=0.1).scores(support.vectors)
    assert torch.equal(found[:, [0, 2, 4]], narrow)


def test_fitting_twice_gives_the_same_to_the_bit():
    first, second = (fit_linear_probe(shots(5, 8, 3), classes=5) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
