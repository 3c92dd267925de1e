"""Reweighted descriptions: steps change nothing, wrong scales and empty classes are refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.reweighting import reweighted_scores
from fieldmark.tools.scoring import vectors

IMAGES = torch.nn.functional.normalize(torch.randn(13, 8, generator=torch.Generator().manual_seed(1)), dim=1)


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


def test_steps_change_nothing(monkeypatch):
    descriptions = [["a", "b"], ["c"], ["d", "e", "a"]]
    whole = reweighted_scores(IMAGES, encode, descriptions)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 30)
    assert torch.allclose(whole, reweighted_scores(IMAGES, encode, descriptions), atol=1e-6)
    assert reweighted_scores(IMAGES[:0], encode, descriptions).shape == (0, 3)


def test_empty_classes_and_scales_below_zero_are_refused():
    with pytest.raises(InputError):
        reweighted_scores(IMAGES, encode, [["a"], []])
    with pytest.raises(InputError):
        reweighted_scores(IMAGES, encode, [["a"]], reweight_scale=-1.0)
