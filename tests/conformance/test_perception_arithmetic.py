"""PerceptionCLIP: its texts by hand, its probabilities against loops in float64."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.perception import context_probabilities, context_texts, perception_scores
from tests.conformance.tensors import unit_mean

NAMES = ["landbird", "waterbird", "gull"]
FACTORS = {
    "background": {"none": [""], "land": ["on land", "in a wood"], "water": ["on water"]},
    "light": {"none": ["", "by day"], "dark": ["at night"]},
}


def vectors(count, seed=0):
    drawn = torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def plain(images, encode, texts, scale, tau, with_class):
    """p(z|x) and p(y|x), as the authors write them, in float64."""
    W = [[unit_mean(phrasings, encode) for phrasings in own] for own in texts.of_class]
    things = [unit_mean(phrasings, encode) for phrasings in texts.of_thing]
    contexts, classes = [], []
    for image in images.numpy().astype(np.float64):
        logit = [[scale * float(image @ w) for w in own] for own in W]
        Z, C = range(len(things)), range(len(W))
        if with_class:
            mass = [sum(math.exp(logit[y][z] / tau) for y in C) for z in Z]
        else:
            mass = [math.exp(scale * float(image @ things[z]) / tau) for z in Z]
        p_z = [value / sum(mass) for value in mass]
        p_y = [0.0 for _ in C]
        for z in Z:
            total = sum(math.exp(logit[y][z]) for y in C)
            for y in C:
                p_y[y] += p_z[z] * math.exp(logit[y][z]) / total
        contexts.append(p_z)
        classes.append(p_y)
    return contexts, classes


def test_texts_are_products_of_phrases_and_empty_ones_leave_no_comma():
    texts = context_texts(["gull"], FACTORS, main="a photo of a {}", thing="object")
    assert texts.contexts == (
        ("none", "none"), ("none", "dark"), ("land", "none"),
        ("land", "dark"), ("water", "none"), ("water", "dark"),
    )  # fmt: skip
    assert texts.of_class[0][0] == ("a photo of a gull.", "a photo of a gull, by day.")
    assert texts.of_class[0][1] == ("a photo of a gull, at night.",)
    assert texts.of_class[0][2] == (
        "a photo of a gull, on land.", "a photo of a gull, on land, by day.",
        "a photo of a gull, in a wood.", "a photo of a gull, in a wood, by day.",
    )  # fmt: skip
    assert texts.of_class[0][5] == ("a photo of a gull, on water, at night.",)
    assert texts.of_thing[5] == ("a photo of a object, on water, at night.",)


def test_no_factor_is_plain_zero_shot(encode):
    texts = context_texts(NAMES, {})
    assert texts.of_class[1] == (("a photo of a waterbird.",),)
    found = perception_scores(vectors(5), encode, texts, logit_scale=10.0, temperature=7.0)
    _, expected = plain(vectors(5), encode, texts, 10.0, 7.0, True)
    assert np.allclose(found.exp().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("with_class", [True, False])
@pytest.mark.parametrize("tau", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("scale", [16.0, 100.0])
def test_equals_plain_loops(encode, scale, tau, with_class):
    texts, images = context_texts(NAMES, FACTORS), vectors(7)
    contexts, classes = plain(images, encode, texts, scale, tau, with_class)
    options = {"logit_scale": scale, "temperature": tau, "with_class": with_class}
    told = context_probabilities(images, encode, texts, **options)
    found = perception_scores(images, encode, texts, **options)
    assert told.dtype == found.dtype == torch.float32
    assert np.allclose(told.numpy(), contexts, atol=2e-5)
    assert np.allclose(found.numpy(), np.log(classes), atol=1e-3)
    assert np.allclose(found.exp().numpy(), classes, atol=2e-5)


def test_temperature_smooths_the_context_alone():
    """One image, two contexts that both say class 0 with probability 1 / (1 + e^-4), whatever tau is."""
    vectors_of = {
        "c0.": [0.6, 0.8], "c1.": [0.2, 0.96**0.5],
        "c0, z.": [0.6, -0.8], "c1, z.": [0.2, -(0.96**0.5)],
    }  # fmt: skip

    def encode(texts):
        return torch.tensor([vectors_of[text] for text in texts])

    texts = context_texts(["c0", "c1"], {"f": {"none": [""], "z": ["z"]}}, main="{}")
    for tau in (1.0, 10.0):
        found = perception_scores(
            torch.tensor([[1.0, 0.0]]), encode, texts, logit_scale=10.0, temperature=tau
        )
        assert found.exp().tolist()[0] == pytest.approx(
            [1 / (1 + math.exp(-4)), 1 / (1 + math.exp(4))], abs=1e-5
        )


def test_large_logits_neither_overflow_nor_end_at_zero(encode):
    texts = context_texts(NAMES, FACTORS)
    found = perception_scores(vectors(4), encode, texts, logit_scale=5000.0)
    assert bool(torch.isfinite(found).all())
    assert float(found.min()) < -150
    assert torch.allclose(found.exp().sum(1), torch.ones(4), atol=1e-4)
