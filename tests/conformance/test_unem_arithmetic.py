"""UNEM: its rounds against plain loops, and learning that brings the loss down."""

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.unem import UnemLayers, UnemOptions, learn_layers, unem_logits, unem_scores
from tests.conformance.tensors import unit_rows
from tests.conformance.test_em_dirichlet_arithmetic import plain_step

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def soft(value):
    return math.log1p(math.exp(value))


def plain(query, support, labels, layers, inner):
    """The same by loops over images, classes and entries."""
    scale, classes = float(layers.temperature), query.shape[1]
    x, s = (np.exp(scale * rows) / np.exp(scale * rows).sum(1, keepdims=True) for rows in (query, support))
    u, x, s = x.copy(), np.log(x + 1e-15), np.log(s + 1e-15)
    alpha = np.ones((classes, classes))
    for balance, softness in zip(layers.balance.tolist(), layers.softness.tolist(), strict=True):
        for k in range(classes):
            own = [s[n] for n in range(len(s)) if labels[n] == k]
            total = sum(own) + sum(u[i, k] * x[i] for i in range(len(x)))
            target = total / (len(own) + u[:, k].sum())
            for _ in range(inner):
                alpha[k] = plain_step(alpha[k], target)
        level = np.log(u.mean(0) + 1e-15) + 1
        for i in range(len(x)):
            found = [
                gammaln(alpha[k].sum()) - gammaln(alpha[k]).sum() + ((alpha[k] - 1) * x[i]).sum()
                + soft(balance) * level[k]
                for k in range(classes)
            ]  # fmt: skip
            found = np.array(found) / (1 + soft(softness))
            u[i] = np.exp(found - found.max()) / np.exp(found - found.max()).sum()
    return u


def cosines(seed, images):
    words = unit_rows(3, 6, seed=1)
    return unit_rows(images, 6, seed=seed).double() @ words.double().T


def test_rounds_are_those_of_plain_loops():
    query, support = cosines(2, 7), cosines(3, 8)
    layers = UnemLayers(
        torch.tensor(12.0).double(), torch.tensor([3.0, -1.0]).double(), torch.tensor([1.0, -2.0]).double()
    )
    found = unem_logits(query, support, LABELS, layers=layers, inner_steps=4).exp()
    wanted = plain(query.numpy(), support.numpy(), LABELS.tolist(), layers, 4)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


def test_learning_brings_the_loss_down_and_is_the_same_each_time():
    support = Support(unit_rows(8, 6, seed=3), LABELS)
    words = unit_rows(3, 6, seed=1)
    options = UnemOptions(rounds=3, inner_steps=3, epochs=24)
    layers, losses = learn_layers(support, words, options)
    assert float(losses[-3:].mean()) < 0.8 * float(losses[:3].mean())
    again, _ = learn_layers(support, words, options)
    assert torch.equal(layers.balance, again.balance)
    assert not torch.equal(layers.balance, options.start().balance)


def test_one_image_a_class_teaches_nothing_and_keeps_the_start():
    support = Support(unit_rows(3, 6, seed=3), torch.tensor([0, 1, 2]))
    layers, losses = learn_layers(support, unit_rows(3, 6, seed=1), UnemOptions())
    assert not len(losses)
    assert torch.equal(layers.balance, UnemOptions().start().balance)


def test_no_images_have_no_scores_and_wrong_input_is_refused():
    words, support = unit_rows(3, 6, seed=1), Support(unit_rows(3, 6, seed=3), torch.tensor([0, 1, 2]))
    layers = UnemOptions().start()
    assert unem_scores(torch.zeros(0, 6), words, support=support, layers=layers, inner_steps=1).shape == (
        0,
        3,
    )
    with pytest.raises(InputError):
        unem_scores(torch.zeros(1, 5), words, support=support, layers=layers, inner_steps=1)
    with pytest.raises(InputError):
        UnemOptions(rounds=0)
