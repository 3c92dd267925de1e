"""Tip-Adapter by hand, and against loops over images and support images."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.tip_adapter import tip_adapter_scores
from fieldmark.tools.scoring import vectors as steps
from tests.conformance.tensors import unit_rows


def plain(images, classes, keys, labels, scale, alpha, beta):
    images, classes, keys = (part.double().numpy() for part in (images, classes, keys))
    scores = np.zeros((len(images), len(classes)))
    for n, image in enumerate(images):
        for c, text in enumerate(classes):
            scores[n, c] = scale * image @ text
        for key, label in zip(keys, labels.tolist(), strict=True):
            key = key / math.sqrt(key @ key)
            scores[n, label] += alpha * math.exp(-beta * (1 - image @ key))
    return scores


def test_by_hand():
    """The image at 0.6 of a support image of class 1: 3·exp(−2·0.4) joins class 1's logit of 0."""
    found = tip_adapter_scores(
        torch.tensor([[1.0, 0.0]]),
        torch.eye(2),
        support=Support(torch.tensor([[0.6, 0.8]]), torch.tensor([1])),
        logit_scale=10.0,
        alpha=3.0,
        beta=2.0,
    )
    assert found[0].tolist() == pytest.approx([10.0, 3 * math.exp(-0.8)], abs=1e-6)


@pytest.mark.parametrize(("alpha", "beta", "scale"), [(1.0, 5.5, 100.0), (3.0, 1.0, 16.0)])
def test_equals_plain_loops(monkeypatch, alpha, beta, scale):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", 100)
    images, classes = unit_rows(23, 8, 0), unit_rows(5, 8, 1)
    keys = 3 * unit_rows(12, 8, 2) + 0.1  # means of views are not of unit length
    labels = torch.randint(0, 4, (12,), generator=torch.Generator().manual_seed(3))
    found = tip_adapter_scores(
        images, classes, support=Support(keys, labels), logit_scale=scale, alpha=alpha, beta=beta
    )
    expected = plain(images, classes, keys, labels, scale, alpha, beta)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 * scale)
    text_only = scale * images @ classes.T
    assert torch.allclose(found[:, 4], text_only[:, 4], atol=1e-4)  # no support image of class 4


def test_support_images_are_summed_not_averaged():
    images, classes, keys = unit_rows(4, 8, 0), unit_rows(3, 8, 1), unit_rows(6, 8, 2)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    text = 100 * images @ classes.T
    once = tip_adapter_scores(images, classes, support=Support(keys, labels), logit_scale=100.0) - text
    twice = tip_adapter_scores(
        images, classes, support=Support(torch.cat([keys, keys]), labels.repeat(2)), logit_scale=100.0
    )
    assert torch.allclose(twice - text, 2 * once, atol=2e-5)


def test_the_cache_is_not_multiplied_by_the_encoders_scale():
    images, classes, keys = unit_rows(4, 8, 0), unit_rows(3, 8, 1), unit_rows(6, 8, 2)
    support = Support(keys, torch.arange(6) % 3)
    cosines = images @ classes.T
    parts = [
        tip_adapter_scores(images, classes, support=support, logit_scale=scale) - scale * cosines
        for scale in (1.0, 16.0)
    ]
    assert torch.allclose(parts[0], parts[1], atol=1e-5)
