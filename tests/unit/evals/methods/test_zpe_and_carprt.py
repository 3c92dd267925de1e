"""ZPE and CARPRT: steps over images change nothing, wrong input is refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.carprt import carprt_weights
from fieldmark.evals.methods.shared.template_pool import encode_grid
from fieldmark.evals.methods.zpe import prompt_scores, prompt_weights
from fieldmark.tools.scoring import vectors

IMAGES = torch.nn.functional.normalize(torch.randn(23, 8, generator=torch.Generator().manual_seed(1)), dim=1)
PROMPTS = [["ab", "c", "de"], ["fgh", "i", "jk"], ["l", "mn", "op"]]


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


GRID = encode_grid(PROMPTS, encode)


@pytest.mark.parametrize("method", [prompt_scores, carprt_weights])
def test_steps_change_nothing(monkeypatch, method):
    whole = method(IMAGES, GRID, logit_scale=20.0)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    assert torch.allclose(whole, method(IMAGES, GRID, logit_scale=20.0), atol=1e-4)


@pytest.mark.parametrize("method", [prompt_scores, carprt_weights])
def test_half_precision_images_give_float32(method):
    found = method(IMAGES.half(), GRID, logit_scale=20.0)
    assert found.dtype == torch.float32
    assert torch.allclose(found, method(IMAGES, GRID, logit_scale=20.0), atol=0.1)


@pytest.mark.parametrize("method", [prompt_scores, carprt_weights])
def test_without_images_there_are_no_weights(method):
    with pytest.raises(InputError):
        method(IMAGES[:0], GRID, logit_scale=20.0)


def test_one_image_is_a_pool():
    assert prompt_scores(IMAGES[:1], GRID, logit_scale=20.0).shape == (3,)
    assert carprt_weights(IMAGES[:1], GRID, logit_scale=20.0).shape == (3, 3)


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(InputError):
        prompt_scores(IMAGES, torch.ones(1, 1, 8), logit_scale=0.0)
    with pytest.raises(InputError):
        prompt_scores(IMAGES, GRID, logit_scale=20.0, pretrain_vectors=IMAGES[:0])
    with pytest.raises(InputError):
        carprt_weights(IMAGES, GRID, logit_scale=20.0, temperature=0.0)
    with pytest.raises(InputError):
        prompt_weights(torch.ones(4), threshold=0.5)
