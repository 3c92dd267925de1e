"""SuS-X: the support set by hand, TIP-X against loops with explicit divergences."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.sus_x import TipXOptions, nearest_support, tip_x_scores
from fieldmark.evals.methods.tip_adapter import tip_adapter_scores
from fieldmark.tools.scoring import vectors as steps
from tests.conformance.tensors import plain_softmax, unit_rows


def plain_divergence(first, second):
    return sum(p * (math.log(p) - math.log(q)) for p, q in zip(first, second, strict=True))


def plain(images, classes, keys, labels, scale, options):
    """The formula pair by pair: image n, support image s."""
    images, classes, keys = (part.double().numpy() for part in (images, classes, keys))
    cosines = np.array([[f @ k for k in keys] for f in images])
    affinities = np.exp(-options.beta * (1 - cosines))
    divergences = np.array(
        [
            [
                plain_divergence(
                    plain_softmax(classes @ f / options.temperature),
                    plain_softmax(classes @ k / options.temperature),
                )
                for k in keys
            ]
            for f in images
        ]
    )
    share = (divergences - divergences.min()) / (divergences.max() - divergences.min())
    if options.psi == "code":  # scaled to the range of cosines, then negated
        term = -(cosines.min() + share * (cosines.max() - cosines.min()))
    else:  # −M scaled to the range of the affinities
        term = affinities.min() + (1 - share) * (affinities.max() - affinities.min())
    scores = np.array([[scale * f @ w for w in classes] for f in images])
    for n in range(len(images)):
        for s, label in enumerate(labels.tolist()):
            scores[n, label] += options.alpha * affinities[n, s] + options.gamma * term[n, s]
    return scores


@pytest.mark.parametrize("psi", ["code", "paper"])
@pytest.mark.parametrize("block", [60, 1 << 24])
def test_equals_plain_loops(monkeypatch, psi, block):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", block)
    images, classes, keys = unit_rows(17, 8, 0), unit_rows(5, 8, 1), unit_rows(11, 8, 2)
    labels = torch.randint(0, 5, (11,), generator=torch.Generator().manual_seed(3))
    options = TipXOptions(alpha=2.0, beta=4.0, gamma=3.0, psi=psi)
    found = tip_x_scores(images, classes, support=Support(keys, labels), logit_scale=20.0, options=options)
    np.testing.assert_allclose(found.numpy(), plain(images, classes, keys, labels, 20.0, options), atol=2e-5)


def test_small_divergences_keep_their_digits():
    """Texts of look-alikes differ by a few hundredths; divergences are then some 1e-6 and less."""
    images, keys, labels = unit_rows(6, 8, 0), unit_rows(9, 8, 1), torch.arange(9) % 4
    classes = torch.nn.functional.normalize(unit_rows(1, 8, 9) + 0.005 * unit_rows(4, 8, 2), dim=1)
    options = TipXOptions(alpha=0.0, gamma=1.0)
    found = tip_x_scores(images, classes, support=Support(keys, labels), logit_scale=0.0, options=options)
    expected = plain(images, classes, keys, labels, 0.0, options)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize(("psi", "most_alike"), [("code", -0.6), ("paper", 1.0)])
def test_what_the_most_alike_pair_gets(psi, most_alike):
    """Cosines lie in [.6, 1]; with β = ln 4 / .4 affinities lie in [1/4, 1]."""
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    found = tip_x_scores(
        images,
        torch.eye(2),
        support=Support(images, torch.tensor([0, 1])),
        logit_scale=0.0,
        options=TipXOptions(alpha=0.0, beta=math.log(4) / 0.4, gamma=1.0, psi=psi),
    )
    assert found.diagonal().tolist() == pytest.approx([most_alike] * 2, abs=1e-6)


def test_without_the_signature_term_it_is_tip_adapter():
    images, classes, keys = unit_rows(6, 8, 0), unit_rows(3, 8, 1), unit_rows(9, 8, 2)
    support = Support(keys, torch.arange(9) % 3)
    options = TipXOptions(alpha=1.5, beta=3.0, gamma=0.0)
    found = tip_x_scores(images, classes, support=support, logit_scale=16.0, options=options)
    expected = tip_adapter_scores(images, classes, support=support, logit_scale=16.0, alpha=1.5, beta=3.0)
    assert torch.allclose(found, expected, atol=1e-6)


def test_one_support_image_has_no_range():
    found = tip_x_scores(
        unit_rows(1, 8, 0),
        unit_rows(3, 8, 1),
        support=Support(unit_rows(1, 8, 2), torch.tensor([1])),
        logit_scale=16.0,
    )
    assert bool(found.isfinite().all())


def test_support_by_hand():
    pool = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.6, 0.8]])
    found = nearest_support(pool, torch.eye(2), per_class=3)
    assert found.rows.tolist() == [0, 2, 3, 1, 3, 2]  # images 2 and 3 support both classes
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(found.vectors, pool[found.rows])


@pytest.mark.parametrize("per_class", [1, 4, 50])
def test_support_equals_sorting(monkeypatch, per_class):
    monkeypatch.setattr("fieldmark.tools.scoring.neighbours._ROWS_PER_BLOCK", 7)
    pool, classes = unit_rows(30, 8, 0), unit_rows(5, 8, 1)
    found = nearest_support(pool, classes, per_class=per_class)
    order = (classes @ pool.T).argsort(dim=1, descending=True)[:, :per_class]
    assert torch.equal(found.rows, order.reshape(-1))
