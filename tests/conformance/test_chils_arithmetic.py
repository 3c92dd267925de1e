"""CHiLS against loops in float64: two softmaxes, best product, its parent."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.chils import chils_scores, subclass_names
from tests.conformance.tensors import axes, unit_mean

NAMES = ["fish", "dog", "chair"]
SUBS = {"fish": ["salmon", "Sea Fish", "cod"], "dog": ["dog", "beagle", "beagle"]}
TEMPLATES = ["a photo of a {}.", "the {}."]


def softmax(values):
    top = max(values)
    parts = [math.exp(value - top) for value in values]
    return [part / sum(parts) for part in parts]


def test_class_is_in_its_own_set_once_and_sub_classes_carry_its_name():
    assert subclass_names(NAMES, SUBS) == [
        ["fish", "salmon fish", "Sea Fish", "cod fish"],
        ["dog", "beagle dog", "beagle dog"],
        ["chair"],
    ]


@pytest.mark.parametrize("scale", [16.0, 100.0])
def test_equals_plain_loops(encode, scale):
    images = torch.nn.functional.normalize(
        torch.randn(12, 16, generator=torch.Generator().manual_seed(4)), dim=1
    )
    sub_prompts = [
        [[template.format(sub) for template in TEMPLATES] for sub in own]
        for own in subclass_names(NAMES, SUBS)
    ]
    class_prompts = [[template.format(name) for template in TEMPLATES] for name in NAMES]
    found = chils_scores(images, encode, class_prompts, sub_prompts, logit_scale=scale)
    assert found.dtype == torch.float32
    W_class = [unit_mean(texts, encode) for texts in class_prompts]
    flat = [(c, unit_mean(texts, encode)) for c, own in enumerate(sub_prompts) for texts in own]
    assert len(flat) == 8  # a sub-class given twice counts twice in the softmax
    for n, image in enumerate(images.numpy().astype(np.float64)):
        p_class = softmax([scale * float(image @ w) for w in W_class])
        p_sub = softmax([scale * float(image @ w) for _, w in flat])
        products = [p_sub[i] * p_class[c] for i, (c, _) in enumerate(flat)]
        for c in range(len(NAMES)):
            best = max(product for product, (parent, _) in zip(products, flat, strict=True) if parent == c)
            assert float(found[n, c]) == pytest.approx(math.log(best), abs=1e-3)
            assert math.exp(float(found[n, c])) == pytest.approx(best, abs=1e-5)
        assert int(found[n].argmax()) == flat[products.index(max(products))][0]


def test_probabilities_of_sub_classes_compete_across_classes_and_one_wins_not_their_sum():
    """Class 0 has three sub-classes with logit 8, class 1 has one with 9: the sum would say class 0.

    p(sub) = e^8 / (3 e^8 + e^9) and e^9 / (3 e^8 + e^9); p(class) = 1/2 each.
    """
    image = torch.tensor([[1.0, 0.0]])
    subs = [[["0.8,0.6"]] * 3, [["0.9,0.43588989"]]]
    found = chils_scores(image, axes, [["0.6,0.8"], ["0.6,-0.8"]], subs, logit_scale=10.0).exp()
    total = 3 * math.exp(8) + math.exp(9)
    assert found.tolist()[0] == pytest.approx([math.exp(8) / total / 2, math.exp(9) / total / 2], abs=1e-6)


def test_class_probability_can_outweigh_a_better_sub_class():
    """Sub-class logits 8 and 9 (class 1 ahead by e), class logits 8 and 6 (class 0 ahead by e^2)."""
    image = torch.tensor([[1.0, 0.0]])
    subs = [[["0.8,0.6"]], [["0.9,0.43588989"]]]
    found = chils_scores(image, axes, [["0.8,0.6"], ["0.6,0.8"]], subs, logit_scale=10.0)
    assert float(found[0, 0] - found[0, 1]) == pytest.approx(2.0 - 1.0, abs=1e-4)
