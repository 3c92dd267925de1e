"""EM-Dirichlet: one step by hand, its fixed point by an optimiser, the whole against plain loops."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from fieldmark.evals.methods.em_dirichlet import EmDirichletOptions, em_dirichlet_scores, fitted
from fieldmark.evals.methods.shared.dirichlet import dirichlet_step
from tests.conformance.tensors import unit_rows


def plain_step(alpha, target):
    """One row, entry by entry."""
    new = np.zeros_like(alpha)
    for d, a in enumerate(alpha):
        curvature = abs(2 * (0 - gammaln(a + 1) + digamma(a + 1) * a) / a**2)
        b = digamma(a + 1) - digamma(alpha.sum()) - curvature * a - target[d]
        new[d] = (-b + math.sqrt(b * b + 4 * curvature)) / (2 * curvature)
    return new


def plain(images, texts, *, iterations, inner, classes_per_penalty=5):
    cosines = images.double().numpy() @ texts.double().numpy().T
    count, classes = cosines.shape
    x = np.array([np.exp(30 * row) / np.exp(30 * row).sum() for row in cosines])
    logs = np.log(x + 1e-15)
    penalty = (classes // classes_per_penalty) * count  # λ
    u = x.copy()
    alpha = np.ones((classes, classes))
    for _ in range(iterations):
        targets = np.full((classes, classes), -10.0)
        filled = [k for k in range(classes) if u[:, k].sum() > 1e-15]
        for k in filled:
            targets[k] = sum(u[i, k] * logs[i] for i in range(count)) / u[:, k].sum()
        for step in range(inner):
            new = np.array(
                [plain_step(alpha[k], targets[k]) if k in filled else alpha[k] for k in range(classes)]
            )
            moved = ((new - alpha) ** 2).sum() / (alpha**2).sum()
            alpha = new
            if step > 0 and step % 50 == 0 and moved < 1e-11:
                break
        v = np.log(u.mean(axis=0) + 1e-15) + 1
        for i in range(count):
            scores = np.zeros(classes)
            for k in range(classes):
                scores[k] = gammaln(alpha[k].sum()) - gammaln(alpha[k]).sum()
                scores[k] += ((alpha[k] - 1) * logs[i]).sum() + penalty * v[k] / count
            weights = np.exp(scores - scores.max())
            u[i] = weights / weights.sum()
    return u, x


def test_one_step_by_hand():
    """α = (1, 1), y = log ½ twice: c = 2ψ(2), b = −c + log 2, root of c·α² + b·α = 1."""
    euler = 0.5772156649015329
    c = 2 * (1 - euler)
    b = -c + math.log(2)
    expected = (-b + math.sqrt(b * b + 4 * c)) / (2 * c)
    found = dirichlet_step(torch.ones(1, 2, dtype=torch.float64), torch.full((1, 2), -math.log(2.0)).double())
    assert found[0].tolist() == pytest.approx([expected] * 2, rel=1e-6)
    assert expected == pytest.approx(1.18135, abs=1e-4)


def test_its_derivative_is_that_of_differences():
    rng = torch.Generator().manual_seed(0)
    alpha = (8 * torch.rand(2, 3, generator=rng, dtype=torch.float64) + 0.05).requires_grad_()
    targets = (-6 * torch.rand(2, 3, generator=rng, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(dirichlet_step, (alpha, targets))


def test_rows_that_rest_are_left_alone_and_change_nothing():
    """One row must be likeliest at infinity, so that it never rests; the others rest soon."""
    rng = np.random.default_rng(0)
    targets = np.stack([np.log(rng.dirichlet([0.7, 2.0, 5.0], size=200)).mean(axis=0) for _ in range(4)])
    targets[1] = np.log([0.2, 0.3, 0.5])
    alpha, wanted = torch.ones(4, 3, dtype=torch.float64), torch.from_numpy(targets)
    every = alpha
    for _ in range(900):
        every = dirichlet_step(every, wanted)
    found = fitted(alpha, wanted, 900)
    assert every[1].min() > 20
    torch.testing.assert_close(found, every, rtol=1e-9, atol=0)
    assert torch.equal(alpha, torch.ones(4, 3, dtype=torch.float64))


def negative_log_likelihood(alpha, target):
    return -gammaln(alpha.sum()) + gammaln(alpha).sum() - ((alpha - 1) * target).sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_steps_descend_to_the_likeliest_parameters(seed):
    rng = np.random.default_rng(seed)
    target = np.log(rng.dirichlet([0.7, 2.0, 5.0], size=200)).mean(axis=0)
    alpha = torch.ones(1, 3, dtype=torch.float64)
    values = []
    for _ in range(3000):
        values.append(negative_log_likelihood(alpha[0].numpy(), target))
        alpha = dirichlet_step(alpha, torch.from_numpy(target)[None])
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))
    best = minimize(
        lambda log_alpha: negative_log_likelihood(np.exp(log_alpha), target), np.zeros(3), tol=1e-12
    )
    assert alpha[0].tolist() == pytest.approx(np.exp(best.x).tolist(), rel=1e-3)


@pytest.mark.parametrize("classes", [4, 7, 11])
def test_equals_plain_loops(classes):
    """Penalties of 0, 1·n and 2·n."""
    images, texts = unit_rows(25, 12, classes), unit_rows(classes, 12, 1)
    options = EmDirichletOptions(iterations=4, inner_steps=120, match="none")
    found = em_dirichlet_scores(images, texts, options=options)
    expected, x = plain(images, texts, iterations=4, inner=120)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert np.abs(expected - x).max() > 0.1


def test_clusters_that_starve():
    """Under a heavy penalty clusters die out: their size is 0 and they have no target."""
    images, texts = unit_rows(30, 12, 3), unit_rows(12, 12, 9)
    options = EmDirichletOptions(iterations=8, inner_steps=60, match="none")
    found = em_dirichlet_scores(images, texts, options=options)
    expected, _ = plain(images, texts, iterations=8, inner=60)
    assert (expected.sum(axis=0) < 1e-15).any()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def matched_by_hand(u, x, match):
    owner = u.argmax(axis=1)
    classes = u.shape[1]
    means = np.zeros((classes, classes))
    for k in range(classes):
        own = [x[i] for i in range(len(x)) if owner[i] == k]
        if own:
            means[k] = sum(own) / len(own)
    if match == "argmax":
        return [int(means[owner[i]].argmax()) for i in range(len(x))]
    best = max(permutations(range(classes)), key=lambda order: sum(means[k, c] for k, c in enumerate(order)))
    return [best[owner[i]] for i in range(len(x))]


@pytest.mark.parametrize("match", ["assignment", "argmax"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_clusters_are_matched_to_classes(match, seed):
    images, texts = unit_rows(20, 6, seed), unit_rows(6, 6, 50 + seed)
    common = {"iterations": 3, "inner_steps": 60}
    u = em_dirichlet_scores(images, texts, options=EmDirichletOptions(match="none", **common))
    found = em_dirichlet_scores(images, texts, options=EmDirichletOptions(match=match, **common))
    x = (30 * images.double() @ texts.double().T).softmax(dim=1).numpy()
    assert found.argmax(dim=1).tolist() == matched_by_hand(u.numpy(), x, match)


def test_few_classes_have_no_penalty():
    images, texts = unit_rows(20, 6, 0), unit_rows(4, 6, 1)

    def scores(weight):
        options = EmDirichletOptions(iterations=3, inner_steps=50, partition_weight=weight)
        return em_dirichlet_scores(images, texts, options=options)

    default, pressed = scores(None), scores(5.0)
    assert torch.equal(default, scores(0.0))
    assert not torch.allclose(default, pressed, atol=1e-3)
