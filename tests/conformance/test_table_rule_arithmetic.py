"""The table rule against its formula written out in numpy, one image, class and value at a time."""

import math

import numpy as np
import pytest
import torch

from fieldmark.tools.scoring.table import TableOptions, table_rule


def plain_softmax(row):
    top = max(row)
    powers = [math.exp(x - top) for x in row]
    return [x / sum(powers) for x in powers]


def plain_table_rule(S, cnt, top, *, beta=2.0, eps=0.15, eta=0.2, kappa=2.0, rounds=5, names=None):
    """The rule's formula over mentioned values only; `top` is [N][k]."""
    N, T, V = S.shape
    C = cnt.shape[0]
    told = [[v for v in range(V) if cnt[:, t, v].max() > 0] for t in range(T)]
    q0 = np.zeros((C, T, V))
    for c in range(C):
        for t in range(T):
            squares = sum(cnt[c, t, v] ** 2 for v in told[t])
            for v in told[t]:
                uniform = 1 / len(told[t])
                q0[c, t, v] = (1 - eta) * cnt[c, t, v] ** 2 / squares + eta * uniform if squares else uniform
    z = np.zeros_like(S)
    for t in range(T):
        for n in range(N):
            raw = [S[n, t, v] - S[:, t, v].mean() for v in told[t]]
            for v, x in zip(told[t], raw, strict=True):
                z[n, t, v] = x - sum(raw) / len(raw)
        rms = math.sqrt(sum(z[n, t, v] ** 2 for n in range(N) for v in told[t]) / N / max(2, len(told[t])))
        z[:, t] *= beta / max(rms, 1e-6)
    q = q0.copy()
    passed = 0
    while True:
        logs = np.zeros_like(S)
        for t in range(T):
            pi = [max(q[:, t, v].mean(), 1e-4) for v in told[t]]
            b = [0.0] * len(told[t])

            def shown(n, b, t=t):
                return plain_softmax([z[n, t, v] + b[i] for i, v in enumerate(told[t])])

            for _ in range(15):
                rows = [shown(n, b) for n in range(N)]
                share = [max(sum(row[i] for row in rows) / N, 1e-6) for i in range(len(b))]
                b = [b[i] + math.log(pi[i]) - math.log(share[i]) for i in range(len(b))]
            for n in range(N):
                for i, (v, p) in enumerate(zip(told[t], shown(n, b), strict=True)):
                    logs[n, t, v] = math.log(eps + (1 - eps) * p / pi[i])
        parts = np.zeros((N, len(top[0]), T))
        for n in range(N):
            for a, c in enumerate(top[n]):
                for t in range(T):
                    fit = sum(math.exp(logs[n, t, v]) * q[c, t, v] for v in told[t])
                    parts[n, a, t] = math.log(max(fit, 1e-6)) if told[t] else 0.0
        L = parts.sum(-1)
        if names is not None:
            L = L + np.array([[names[n, c] for c in top[n]] for n in range(N)])
        if passed == rounds:
            return L, parts, q
        evidence, weight = np.zeros((C, T, V)), np.zeros((C, T))
        for n in range(N):
            for t in range(T):
                for a, share in enumerate(
                    plain_softmax([L[n, a] - parts[n, a, t] for a in range(len(top[n]))])
                ):
                    weight[top[n][a], t] += share
                    for v in told[t]:
                        evidence[top[n][a], t, v] += share * logs[n, t, v]
        for c in range(C):
            for t in range(T):
                row = [
                    math.log(max(q0[c, t, v], 1e-6)) + kappa * evidence[c, t, v] / (weight[c, t] + kappa)
                    for v in told[t]
                ]
                for v, belief in zip(told[t], plain_softmax(row) if row else [], strict=True):
                    q[c, t, v] = belief
        passed += 1


def made_up(seed, *, images=9, classes=5, attributes=4, values=4):
    rng = np.random.default_rng(seed)
    cosines = rng.normal(0, 0.05, (images, attributes, values)) + rng.normal(0, 0.2, (attributes, values))
    counts = rng.poisson(0.8, (classes, attributes, values)).astype(float)
    counts[:, 0, 2:] = 0  # an attribute with two values
    counts[:, 1, 1:] = 0  # with one value
    counts[0, :, :] = 0  # a class nobody was asked about
    counts[1, 0, 0] = 1
    return cosines, counts


def scored(cosines, counts, candidates=None, **options):
    names = options.pop("name_scores", None)
    return table_rule(
        torch.tensor(cosines),
        torch.tensor(counts),
        candidates,
        TableOptions(share="mean", **options),
        name_scores=None if names is None else torch.tensor(names),
    )


@pytest.mark.parametrize("rounds", [0, 1, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_classes_equal_the_formula(seed, rounds):
    cosines, counts = made_up(seed)
    found = scored(cosines, counts, rounds=rounds)
    L, parts, q = plain_table_rule(cosines, counts, [list(range(5))] * 9, rounds=rounds)
    assert np.allclose(found.scores.numpy(), L, atol=1e-5)
    assert np.allclose(found.contributions.numpy(), parts, atol=1e-5)
    assert np.allclose(found.q.numpy(), q, atol=1e-5)


@pytest.mark.parametrize("seed", [3, 4])
def test_candidates_equal_the_formula(seed):
    cosines, counts = made_up(seed)
    rng = np.random.default_rng(seed)
    top = [rng.permutation(5)[:3].tolist() for _ in range(9)]
    found = scored(cosines, counts, torch.tensor(top), rounds=3)
    L, parts, q = plain_table_rule(cosines, counts, top, rounds=3)
    assert np.allclose(found.scores.numpy(), L, atol=1e-5)
    assert np.allclose(found.contributions.numpy(), parts, atol=1e-5)
    assert np.allclose(found.q.numpy(), q, atol=1e-5)


def test_other_constants_and_names_equal_the_formula():
    cosines, counts = made_up(5)
    names = np.random.default_rng(5).normal(0, 0.3, (9, 5))
    constants = {"beta": 1.3, "eps": 0.05, "eta": 0.4, "kappa": 1.0, "rounds": 2}
    found = scored(cosines, counts, name_scores=names, name_weight=2.5, **constants)
    L, parts, _ = plain_table_rule(cosines, counts, [list(range(5))] * 9, names=2.5 * names, **constants)
    assert np.allclose(found.scores.numpy(), L, atol=1e-5)
    assert np.allclose(found.contributions[..., :-1].numpy(), parts, atol=1e-5)
    assert np.allclose(found.contributions[..., -1].numpy(), 2.5 * names, atol=1e-5)


def test_one_attribute_by_hand():
    """Two images that mirror each other, two classes told apart by one mark, naive Bayes.

    z is +-2 after scaling (rms 1 times beta), pi is 1/2 each and the pool already matches it, so
    p = 1 / (1 + e^-4), l = log(.15 + .85 p / .5) and L = log(.9 e^l + .1 e^l').
    """
    cosines = np.array([[[0.3, 0.1]], [[0.1, 0.3]]])
    counts = np.array([[[2.0, 0.0]], [[0.0, 1.0]]])
    p = 1 / (1 + math.exp(-4))
    good, bad = 0.15 + 1.7 * p, 0.15 + 1.7 * (1 - p)
    fits, clashes = math.log(0.9 * good + 0.1 * bad), math.log(0.1 * good + 0.9 * bad)
    found = scored(cosines, counts, rounds=0, least_pool=2)
    assert np.allclose(found.scores.numpy(), [[fits, clashes], [clashes, fits]], atol=1e-5)
    assert np.allclose(found.seen.numpy(), [[[p, 1 - p]], [[1 - p, p]]], atol=1e-5)
