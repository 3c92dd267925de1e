"""ZPE against loops over images, templates and classes in float64, and cases by hand."""

import math
import statistics

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.template_pool import encode_grid, grid_scores
from fieldmark.evals.methods.zpe import prompt_scores, prompt_weights
from tests.conformance.tensors import axes

TEMPLATES = ["a photo of {}", "{} drawn", "the {}", "{}, large", "a {} toy"]
NAMES = ["ant", "bee", "cod", "doe"]
PROMPTS = [[template.format(name) for name in NAMES] for template in TEMPLATES]


def vectors(count, seed):
    drawn = torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def cosine(image, row):
    return float(image @ row) / math.sqrt(float(row @ row))


def all_logits(images, encode, scale):
    rows = [[encode([text])[0].numpy().astype(np.float64) for text in texts] for texts in PROMPTS]
    return [
        [[scale * cosine(image, row) for row in texts] for texts in rows]
        for image in images.numpy().astype(np.float64)
    ]


def plain_scores(logits, pretrain):
    found = []
    for p in range(len(TEMPLATES)):
        bias = []
        for c in range(len(NAMES)):
            test = sum(row[p][c] for row in logits) / len(logits)
            before = test if pretrain is None else sum(row[p][c] for row in pretrain) / len(pretrain)
            bias.append((test + before) / 2)
        best = [max(row[p][c] - bias[c] for c in range(len(NAMES))) for row in logits]
        found.append(sum(best) / len(best))
    return found


def plain_weights(scores, threshold):
    kept = range(len(scores))
    if threshold is not None:
        middle = statistics.median(scores)
        spread = statistics.median(abs(score - middle) for score in scores)
        kept = [p for p, score in enumerate(scores) if (score - middle) / spread > threshold]
    total = sum(math.exp(scores[p]) for p in kept)
    return [math.exp(score) / total if p in kept else 0.0 for p, score in enumerate(scores)]


@pytest.mark.parametrize("threshold", [None, 0.5])
@pytest.mark.parametrize("with_pretrain", [False, True])
@pytest.mark.parametrize("scale", [5.0, 100.0])
def test_equals_plain_loops(encode, scale, with_pretrain, threshold):
    images, before = vectors(30, 1), vectors(11, 2) if with_pretrain else None
    logits = all_logits(images, encode, scale)
    scores = plain_scores(logits, None if before is None else all_logits(before, encode, scale))
    weights = plain_weights(scores, threshold)
    grid = encode_grid(PROMPTS, encode)
    sure = prompt_scores(images, grid, logit_scale=scale, pretrain_vectors=before)
    assert sure.tolist() == pytest.approx(scores, abs=1e-5 * scale)
    weighed = prompt_weights(sure, threshold=threshold)
    assert weighed.tolist() == pytest.approx(weights, abs=1e-4)
    found = grid_scores(images, grid, weighed[:, None], logit_scale=scale)
    assert found.dtype == torch.float32
    for n, row in enumerate(logits):
        for c in range(len(NAMES)):
            expected = sum(weights[p] * row[p][c] for p in range(len(TEMPLATES)))
            assert float(found[n, c]) == pytest.approx(expected, abs=1e-4 * scale)


def test_bias_of_a_template_is_taken_out_before_the_maximum():
    """Template 0 leans to class 0 on every image: its logits .8 and 0 say nothing once their mean is gone."""
    images = torch.tensor([[0.8, 0.6], [0.8, -0.6]])
    grid = encode_grid([["1,0", "-1,0"], ["0,1", "0,-1"]], axes)
    found = prompt_scores(images, grid, logit_scale=10.0)
    assert found.tolist() == pytest.approx([0.0, 6.0], abs=1e-5)


def test_without_pretraining_images_the_whole_test_mean_goes_with_them_half_of_each():
    images = torch.tensor([[0.6, 0.8]])
    grid = encode_grid([["1,0"]], axes)
    assert prompt_scores(images, grid, logit_scale=10.0).tolist() == pytest.approx([0.0], abs=1e-5)
    found = prompt_scores(images, grid, logit_scale=10.0, pretrain_vectors=torch.tensor([[1.0, 0.0]]))
    assert found.tolist() == pytest.approx([10 * (0.6 - (0.6 + 1.0) / 2)], abs=1e-5)


def test_selection_is_one_sided_with_an_unscaled_mad_and_a_median_between_the_middle_two():
    """Median 2.5, deviations 2.5, .5, .5, 1.5: MAD 1. The last is 1.5 MADs above, the first 2.5 below."""
    scores = torch.tensor([0.0, 2.0, 3.0, 4.0])
    assert prompt_weights(scores, threshold=1.4).tolist() == [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(InputError):
        prompt_weights(scores, threshold=1.5)
    share = 1 / (1 + math.exp(-1))
    kept = prompt_weights(scores, threshold=0.4).tolist()
    assert kept == pytest.approx([0.0, 0.0, 1 - share, share], abs=1e-6)


def test_where_most_scores_are_alike_any_above_them_stands_out():
    found = prompt_weights(torch.tensor([1.0, 1.0, 1.0, 1.0, 9.0]), threshold=2.0)
    assert found.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_texts_are_not_scaled_back_to_length_one():
    """Equal weights; class 0's texts disagree, so that its mean vector has length .6."""
    images = torch.tensor([[1.0, 0.0]])
    grid = encode_grid([["0.6,0.8", "0.8,0.6"], ["0.6,-0.8", "0.8,0.6"]], axes)
    found = grid_scores(images, grid, torch.tensor([[0.5], [0.5]]), logit_scale=10.0)
    assert found.tolist()[0] == pytest.approx([6.0, 8.0], abs=1e-5)
