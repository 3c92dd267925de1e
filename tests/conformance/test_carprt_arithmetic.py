"""CARPRT against loops over images, templates and classes in float64, and cases by hand."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.carprt import carprt_weights
from fieldmark.evals.methods.shared.template_pool import encode_grid, grid_scores
from tests.conformance.tensors import axes

NAMES = ["ant", "bee", "cod"]
PROMPTS = [[template.format(name) for name in NAMES] for template in ("a photo of {}", "{} drawn", "the {}")]


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("images", [2, 40])
def test_equals_plain_loops(encode, images, temperature):
    """Two images: most classes are never predicted under most templates."""
    vectors = torch.nn.functional.normalize(
        torch.randn(images, 16, generator=torch.Generator().manual_seed(images)), dim=1
    )
    rows = [[encode([text])[0].numpy().astype(np.float64) for text in texts] for texts in PROMPTS]
    logits = [
        [[20 * float(image @ row) / math.sqrt(float(row @ row)) for row in texts] for texts in rows]
        for image in vectors.numpy().astype(np.float64)
    ]
    taken = [[[] for _ in NAMES] for _ in PROMPTS]
    for row in logits:
        for p, own in enumerate(row):
            taken[p][own.index(max(own))].append(max(own))
    weights = []
    for c in range(len(NAMES)):
        scores = [sum(own[c]) / len(own[c]) if own[c] else 0.0 for own in taken]
        total = sum(math.exp(score / temperature) for score in scores)
        weights.append([math.exp(score / temperature) / total for score in scores])
    grid = encode_grid(PROMPTS, encode)
    weighed = carprt_weights(vectors, grid, logit_scale=20.0, temperature=temperature)
    assert weighed.T.tolist() == [pytest.approx(own, abs=1e-5) for own in weights]
    found = grid_scores(vectors, grid, weighed, logit_scale=20.0)
    assert found.dtype == torch.float32
    for n, row in enumerate(logits):
        expected = [sum(weights[c][p] * row[p][c] for p in range(3)) for c in range(3)]
        assert found[n].tolist() == pytest.approx(expected, abs=1e-4)


def test_each_class_counts_only_the_images_taken_for_it():
    """Both images are class 0 under template 0 (logits 8 and 6), one each under template 1."""
    images = torch.tensor([[0.8, 0.6], [0.6, -0.8]])
    grid = encode_grid([["1,0", "-1,0"], ["0,1", "0,-1"]], axes)
    found = carprt_weights(images, grid, logit_scale=10.0)
    first = [math.exp(7.0), math.exp(6.0)]  # mean of 8 and 6; 6 alone
    second = [math.exp(0.0), math.exp(8.0)]  # no image; 8 alone
    assert found[:, 0].tolist() == pytest.approx([value / sum(first) for value in first], abs=1e-6)
    assert found[:, 1].tolist() == pytest.approx([value / sum(second) for value in second], abs=1e-6)


def test_class_that_no_image_is_taken_for_weighs_templates_alike():
    grid = encode_grid([["1,0", "-1,0"], ["0.8,0.6", "-1,0"]], axes)
    found = carprt_weights(torch.tensor([[1.0, 0.0]]), grid, logit_scale=10.0)
    assert found[:, 1].tolist() == [0.5, 0.5]
