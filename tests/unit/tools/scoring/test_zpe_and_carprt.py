"""ZPE and CARPRT: steps over images change nothing, wrong input is refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring import vectors
from fieldmark.tools.scoring.carprt import carprt_scores
from fieldmark.tools.scoring.zpe import prompt_scores, prompt_weights, zpe_scores

IMAGES = torch.nn.functional.normalize(torch.randn(23, 8, generator=torch.Generator().manual_seed(1)), dim=1)
PROMPTS = [["ab", "c", "de"], ["fgh", "i", "jk"], ["l", "mn", "op"]]


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


@pytest.mark.parametrize("method", [zpe_scores, carprt_scores])
def test_steps_change_nothing(monkeypatch, method):
    whole = method(IMAGES, encode, PROMPTS, logit_scale=20.0)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    assert torch.allclose(whole, method(IMAGES, encode, PROMPTS, logit_scale=20.0), atol=1e-4)


@pytest.mark.parametrize("method", [zpe_scores, carprt_scores])
def test_half_precision_images_give_float32(method):
    found = method(IMAGES.half(), encode, PROMPTS, logit_scale=20.0)
    assert found.dtype == torch.float32
    assert torch.allclose(found, method(IMAGES, encode, PROMPTS, logit_scale=20.0), atol=0.1)


@pytest.mark.parametrize("method", [zpe_scores, carprt_scores])
def test_without_images_there_are_no_weights(method):
    with pytest.raises(InputError):
        method(IMAGES[:0], encode, PROMPTS, logit_scale=20.0)


def test_one_image_is_a_pool():
    assert zpe_scores(IMAGES[:1], encode, PROMPTS, logit_scale=20.0).shape == (1, 3)
    assert carprt_scores(IMAGES[:1], encode, PROMPTS, logit_scale=20.0).shape == (1, 3)


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(InputError):
        prompt_scores(IMAGES, torch.ones(1, 1, 8), logit_scale=0.0)
    with pytest.raises(InputError):
        zpe_scores(IMAGES, encode, PROMPTS, logit_scale=20.0, pretrain_vectors=IMAGES[:0])
    with pytest.raises(InputError):
        carprt_scores(IMAGES, encode, PROMPTS, logit_scale=20.0, temperature=0.0)
    with pytest.raises(InputError):
        prompt_weights(torch.ones(4), threshold=0.5)
