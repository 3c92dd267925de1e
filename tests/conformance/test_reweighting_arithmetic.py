"""Descriptions weighed per image against loops in float64, and cases by hand."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.reweighting import reweighted_scores
from tests.conformance.tensors import axes

DESCRIPTIONS = [["p", "q", "q"], ["r"], ["s", "p", "t", "u"]]


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("scale", [0.0, 1 / 0.07, 60.0])
def test_equals_plain_loops(encode, scale, renormalise):
    images = torch.nn.functional.normalize(
        torch.randn(9, 16, generator=torch.Generator().manual_seed(6)), dim=1
    )
    found = reweighted_scores(
        images, encode, DESCRIPTIONS, reweight_scale=scale, logit_scale=10.0, renormalise=renormalise
    )
    assert found.dtype == torch.float32
    for n, image in enumerate(images.numpy().astype(np.float64)):
        for c, texts in enumerate(DESCRIPTIONS):
            rows = [encode([text])[0].numpy().astype(np.float64) for text in texts]
            rows = [row / math.sqrt(float(row @ row)) for row in rows]
            parts = [math.exp(scale * float(image @ row)) for row in rows]
            mixed = sum(part / sum(parts) * row for part, row in zip(parts, rows, strict=True))
            length = math.sqrt(float(mixed @ mixed)) if renormalise else 1.0
            assert float(found[n, c]) == pytest.approx(10 * float(image @ mixed) / length, abs=1e-4)


def test_each_image_weighs_for_itself_and_the_softmax_runs_within_a_class():
    """Images on either axis: the text on it weighs e / (e + 1). Class 1's single text weighs 1."""
    found = reweighted_scores(
        torch.eye(2), axes, [["1,0", "0,1"], ["0.6,0.8"]], reweight_scale=1.0, renormalise=False
    )
    share = math.e / (math.e + 1)
    assert found[0].tolist() == pytest.approx([share, 0.6], abs=1e-6)
    assert found[1].tolist() == pytest.approx([share, 0.8], abs=1e-6)


def test_renormalising_divides_by_the_length_of_the_mixture():
    found = reweighted_scores(torch.eye(2), axes, [["1,0", "0,1"]], reweight_scale=1.0)
    share = math.e / (math.e + 1)
    expected = share / math.hypot(share, 1 - share)
    assert found.flatten().tolist() == pytest.approx([expected, expected], abs=1e-6)


def test_description_given_twice_counts_twice():
    found = reweighted_scores(
        torch.tensor([[1.0, 0.0]]), axes, [["1,0", "0,1", "0,1"]], reweight_scale=0.0, renormalise=False
    )
    assert float(found) == pytest.approx(1 / 3, abs=1e-6)
