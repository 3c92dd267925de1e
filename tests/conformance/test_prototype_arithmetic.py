"""Prompt ensembling against the formula proto(T) = unit(mean of unit vectors), worked out in plain loops."""

import math

import pytest
import torch

from fieldmark.tools.scoring.prototype import class_prototypes, ensemble_scores


def plain_prototype(texts, encode):
    total = [0.0] * 16
    for text in texts:
        row = [float(x) for x in encode([text])[0]]
        length = math.sqrt(sum(x * x for x in row))
        total = [a + b / length for a, b in zip(total, row, strict=True)]
    length = math.sqrt(sum(x * x for x in total))
    return [x / length for x in total]


def test_by_hand():
    vectors = {"x": [3.0, 0.0], "y": [0.0, 0.5], "z": [0.0, -2.0]}
    found = class_prototypes(
        [["x", "y"], ["z"], ["x", "x", "y"]], lambda t: torch.tensor([vectors[s] for s in t])
    )
    half = math.sqrt(0.5)
    expected = torch.tensor([[half, half], [0.0, -1.0], [2 / math.sqrt(5), 1 / math.sqrt(5)]])
    assert torch.allclose(found, expected, atol=1e-6)


def test_equals_plain_loops(encode):
    prompts = [["a cat", "the cat", "a cat"], ["a dog"], ["a cow", "one cow"]]
    images = torch.nn.functional.normalize(
        torch.randn(7, 16, generator=torch.Generator().manual_seed(1)), dim=1
    )
    found = ensemble_scores(images, encode, prompts, logit_scale=100.0)
    assert found.dtype == torch.float32
    for c, texts in enumerate(prompts):
        expected = plain_prototype(texts, encode)
        for n, image in enumerate(images.tolist()):
            score = 100 * sum(a * b for a, b in zip(image, expected, strict=True))
            assert float(found[n, c]) == pytest.approx(score, abs=1e-4)
