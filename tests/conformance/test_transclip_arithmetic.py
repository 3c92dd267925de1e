"""TransCLIP-ZS by hand, and against loops written from the update equations."""

import math

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.transclip import TransClipOptions, transclip_scores
from fieldmark.tools.scoring import vectors as steps
from fieldmark.tools.scoring.neighbours import nearest_neighbours


def made_up(count=40, classes=4, width=6, seed=0):
    """Images in clusters that do not sit at their texts."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=generator)
    owner = torch.randint(0, classes, (count,), generator=generator)
    images = centres[owner] + 0.7 * torch.randn(count, width, generator=generator) + 1.0
    texts = centres + 0.8 * torch.randn(classes, width, generator=generator)
    return tuple(torch.nn.functional.normalize(part, dim=1) for part in (images, texts))


def plain_neighbours(images, k):
    count = len(images)
    table = np.zeros((count, count))
    for i in range(count):
        others = sorted((j for j in range(count) if j != i), key=lambda j: -(images[i] @ images[j]))
        for j in others[:k]:
            table[i, j] = images[i] @ images[j]
    return table


def plain(images, texts, scale, *, steps=10, inner=5, k=3, confident=8, likelihood=1 / 50, votes=1 / 6):
    images, texts = images.double().numpy(), texts.double().numpy()
    count, classes, width = len(images), len(texts), images.shape[1]
    affinity = plain_neighbours(images, k)
    y = np.zeros((count, classes))
    for i in range(count):
        weights = [math.exp(scale * (images[i] @ text)) for text in texts]
        y[i] = np.array(weights) / sum(weights)
    z = y.copy()
    means = np.zeros((classes, width))
    for c in range(classes):
        for i in sorted(range(count), key=lambda i: -y[i, c])[:confident]:
            means[c] += y[i, c] * images[i]
        means[c] /= math.sqrt(means[c] @ means[c])
    variances = np.full(width, 1 / width)
    for round_ in range(steps + 1):
        if round_:
            for c in range(classes):
                means[c] = sum(z[i, c] * images[i] for i in range(count))
                means[c] /= math.sqrt(means[c] @ means[c])
            variances = np.zeros(width)
            for i in range(count):
                for c in range(classes):
                    variances += z[i, c] * (images[i] - means[c]) ** 2 / count
        for _ in range(inner):
            new = np.zeros_like(z)
            for i in range(count):
                for c in range(classes):
                    log_p = -0.5 * sum((images[i] - means[c]) ** 2 / variances)
                    vote = sum((affinity[i, j] + affinity[j, i]) * z[j, c] for j in range(count))
                    new[i, c] = y[i, c] * math.exp(likelihood * log_p + votes * vote)
                new[i] /= new[i].sum()
            z = new
    return z


@pytest.mark.parametrize("block", [100, 1 << 24])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_plain_loops(monkeypatch, seed, block):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", block)
    images, texts = made_up(seed=seed)
    found = transclip_scores(images, texts, logit_scale=10.0)
    expected = plain(images, texts, 10.0)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    start = (10.0 * images @ texts.T).softmax(dim=1)
    assert float((found - start).abs().max()) > 0.1  # else the test would see only the text predictions


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_equals_plain_loops_with_the_papers_weights(rounds):
    """Few rounds at full weight show the start, which ten rounds at 1/50 would wash out."""
    images, texts = made_up(count=25, seed=2)
    options = TransClipOptions(steps=rounds, likelihood_weight=1.0, neighbour_weight=1.0)
    found = transclip_scores(images, texts, logit_scale=10.0, options=options)
    expected = plain(images, texts, 10.0, steps=rounds, likelihood=1.0, votes=1.0)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_one_update_by_hand():
    """Two images, each the other's neighbour at cosine .6: votes are ½·(.6 + .6)·z of the other."""
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    options = TransClipOptions(steps=0, inner_steps=1, neighbours=1, likelihood_weight=0.0)
    found = transclip_scores(images, torch.eye(2), logit_scale=1.0, options=options)
    other = 1 / (1 + math.exp(0.2))  # softmax(.6, .8)
    gap = 1.0 + 0.6 * other - 0.6 * (1 - other)
    assert float(found[0, 0]) == pytest.approx(1 / (1 + math.exp(-gap)), abs=1e-6)


def test_all_images_are_updated_from_the_assignments_before(monkeypatch):
    """With in-place updates image 1 would already see image 0's new row; by hand it sees the old one."""
    monkeypatch.setattr(steps, "STEP_ELEMENTS", 1)
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    options = TransClipOptions(steps=0, inner_steps=1, neighbours=1, likelihood_weight=0.0)
    found = transclip_scores(images, torch.eye(2), logit_scale=1.0, options=options)
    other = 1 / (1 + math.exp(-1.0))  # softmax(1, 0)
    gap = -0.2 + 0.6 * other - 0.6 * (1 - other)
    assert float(found[1, 0]) == pytest.approx(1 / (1 + math.exp(-gap)), abs=1e-6)


def test_an_image_is_not_its_own_neighbour_even_among_doubles():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    index, cosine = nearest_neighbours(rows, 2)
    for i, own in enumerate(index.tolist()):
        assert i not in own
    assert cosine[:3].eq(1.0).all()


def test_rows_are_probabilities_and_the_order_of_images_does_not_matter():
    images, texts = made_up(seed=3)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    found = transclip_scores(images, texts, logit_scale=10.0)
    turned = transclip_scores(images[order], texts, logit_scale=10.0)
    assert torch.allclose(found.sum(dim=1), torch.ones(len(images)), atol=1e-5)
    assert torch.allclose(turned, found[order], atol=1e-4)
