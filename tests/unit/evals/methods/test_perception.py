"""PerceptionCLIP: steps change nothing, wrong factors are refused, braces in names stay."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.perception import context_probabilities, context_texts, perception_scores
from fieldmark.tools.scoring import vectors

IMAGES = torch.nn.functional.normalize(torch.randn(13, 8, generator=torch.Generator().manual_seed(1)), dim=1)
TEXTS = context_texts(["a", "b", "c"], {"place": {"none": [""], "sea": ["at sea"]}})


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


@pytest.mark.parametrize("with_class", [True, False])
@pytest.mark.parametrize("method", [context_probabilities, perception_scores])
def test_steps_change_nothing(monkeypatch, method, with_class):
    whole = method(IMAGES, encode, TEXTS, logit_scale=20.0, with_class=with_class)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    found = method(IMAGES, encode, TEXTS, logit_scale=20.0, with_class=with_class)
    assert torch.allclose(whole, found, atol=1e-5)


def test_contexts_that_leave_out_the_class_need_no_object_text_otherwise():
    asked = []

    def counting(texts):
        asked.extend(texts)
        return encode(texts)

    perception_scores(IMAGES, counting, TEXTS, logit_scale=20.0)
    assert not any("object" in text for text in asked)
    assert len(asked) == len(set(asked)) == 6


@pytest.mark.parametrize("factors", [{"f": {}}, {"f": {"v": []}}, {"f": {"v": "on land"}}])
def test_factors_without_phrases_are_refused(factors):
    with pytest.raises(InputError):
        context_texts(["a"], factors)


def test_numbers_and_prompts_that_make_no_sense_are_refused():
    with pytest.raises(InputError):
        context_texts(["a"], {}, main="a photo")
    with pytest.raises(InputError):
        perception_scores(IMAGES, encode, TEXTS, logit_scale=20.0, temperature=0.0)
    with pytest.raises(InputError):
        perception_scores(IMAGES, encode, context_texts([], {}), logit_scale=20.0)


def test_braces_in_names_are_data():
    assert context_texts(["{x} {}"], {}).of_class == ((("a photo of a {x} {}.",),),)


def test_no_images_give_no_rows():
    assert perception_scores(IMAGES[:0], encode, TEXTS, logit_scale=20.0).shape == (0, 3)
