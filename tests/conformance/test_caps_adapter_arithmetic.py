"""CapS-Adapter by hand, and against loops over images and support images with captions."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.caps_adapter import caps_adapter_scores
from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.sus_x import TipXOptions, tip_x_scores
from fieldmark.tools.scoring import vectors as steps
from tests.conformance.tensors import plain_softmax, unit_rows


def plain(images, classes, keys, captions, labels, *, delta, options, signatures):
    images, classes, keys, captions = (part.double().numpy() for part in (images, classes, keys, captions))
    captions = [caption / math.sqrt(caption @ caption) for caption in captions]
    mixed = np.zeros((len(images), len(keys)))
    divergences = np.zeros_like(mixed)
    for n, image in enumerate(images):
        for s, key in enumerate(keys):
            mixed[n, s] = (1 - delta) * (image @ key) + delta * (image @ captions[s])
            looks = (image, key) if signatures == "code" else (classes @ image, classes @ key)
            p, q = (plain_softmax(look / 0.5) for look in looks)
            divergences[n, s] = np.sum(p * np.log(p / q))
    share = (divergences - divergences.min()) / (divergences.max() - divergences.min())
    term = -(mixed.min() + share * (mixed.max() - mixed.min()))
    scores = 16.0 * images @ classes.T
    for s, label in enumerate(labels.tolist()):
        scores[:, label] += options.alpha * np.exp(-options.beta * (1 - mixed[:, s]))
        scores[:, label] += options.gamma * term[:, s]
    return scores


@pytest.mark.parametrize("signatures", ["code", "paper"])
@pytest.mark.parametrize("delta", [0.0, 0.3, 1.0])
def test_equals_plain_loops(monkeypatch, delta, signatures):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", 200)
    images, classes, keys = unit_rows(13, 8, 0), unit_rows(4, 8, 1), unit_rows(9, 8, 2)
    captions = 2.5 * unit_rows(9, 8, 4)
    labels = torch.randint(0, 4, (9,), generator=torch.Generator().manual_seed(3))
    options = TipXOptions(alpha=2.0, beta=3.0, gamma=1.5)
    found = caps_adapter_scores(
        images,
        classes,
        support=Support(keys, labels),
        captions=captions,
        logit_scale=16.0,
        delta=delta,
        options=options,
        signatures=signatures,
    )
    expected = plain(
        images, classes, keys, captions, labels, delta=delta, options=options, signatures=signatures
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_by_hand():
    """Image cosine .6, caption cosine 1, δ = ¼: affinity exp(−2·(1 − .7))."""
    found = caps_adapter_scores(
        torch.tensor([[1.0, 0.0]]),
        torch.eye(2),
        support=Support(torch.tensor([[0.6, 0.8]]), torch.tensor([1])),
        captions=torch.tensor([[4.0, 0.0]]),
        logit_scale=10.0,
        delta=0.25,
        options=TipXOptions(alpha=3.0, beta=2.0, gamma=0.0),
    )
    assert found[0].tolist() == pytest.approx([10.0, 3 * math.exp(-0.6)], abs=1e-6)


def test_without_captions_and_with_the_papers_signatures_it_is_tip_x():
    images, classes, keys = unit_rows(6, 8, 0), unit_rows(3, 8, 1), unit_rows(9, 8, 2)
    support = Support(keys, torch.arange(9) % 3)
    found = caps_adapter_scores(
        images,
        classes,
        support=support,
        captions=unit_rows(9, 8, 5),
        logit_scale=16.0,
        delta=0.0,
        signatures="paper",
    )
    assert torch.allclose(found, tip_x_scores(images, classes, support=support, logit_scale=16.0), atol=1e-6)
