"""Pooling by description: chunks change nothing, wrong pools are refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring import vectors
from fieldmark.tools.scoring.dclip import mean_cosine_scores


def encode(texts):
    return torch.randn(len(texts), 8, generator=torch.Generator().manual_seed(len(texts)))


def test_max_in_steps_equals_max_at_once(monkeypatch):
    images = torch.randn(11, 8, generator=torch.Generator().manual_seed(0))
    prompts = [["a", "b"], ["c"], ["d", "e", "a"]]
    whole = mean_cosine_scores(images, encode, prompts, pool="max")
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 30)
    assert torch.allclose(whole, mean_cosine_scores(images, encode, prompts, pool="max"), atol=1e-6)


def test_unknown_pool_is_refused():
    with pytest.raises(InputError, match="median"):
        mean_cosine_scores(torch.ones(1, 8), encode, [["a"]], pool="median")  # type: ignore[arg-type]
