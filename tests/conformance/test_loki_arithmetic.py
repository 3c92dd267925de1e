"""Loki: scores by hand and in loops, path lengths by walking the tree."""

import math
import random

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.loki import loki_scores, next_labels, text_distances, tree_distances
from fieldmark.tools.scoring import vectors as steps
from tests.conformance.tensors import unit_rows

BIRDS = {
    "bird": None,
    "finch": "bird",
    "owl": "bird",
    "goldfinch": "finch",
    "bullfinch": "finch",
    "barn owl": "owl",
}


def plain_path_length(parents, start, goal):
    edges = {}
    for child, parent in parents.items():
        if parent is not None:
            edges.setdefault(child, []).append(parent)
            edges.setdefault(parent, []).append(child)
    lengths, queue = {start: 0}, [start]
    for node in queue:
        for other in edges.get(node, []):
            if other not in lengths:
                lengths[other] = lengths[node] + 1
                queue.append(other)
    return lengths[goal]


def test_path_lengths_by_hand():
    found = tree_distances(BIRDS, ["goldfinch", "finch", "bird", "barn owl"], ["bullfinch", "barn owl"])
    assert found.tolist() == [[2.0, 4.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]]
    assert found.dtype == torch.float32


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_path_lengths_equal_a_walk(seed):
    rng = random.Random(seed)
    parents = {f"n{i}": f"n{rng.randrange(max(0, i - 4), i)}" for i in range(1, 40)}  # n0 only as a parent
    names = [f"n{i}" for i in range(40)]
    labels, observed = rng.sample(names, 25), rng.sample(names, 9)
    found = tree_distances(parents, labels, observed)
    for row, label in enumerate(labels):
        for column, other in enumerate(observed):
            assert float(found[row, column]) == plain_path_length(parents, label, other)


def test_scores_equal_plain_loops(monkeypatch):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", 50)
    images, observed = unit_rows(11, 8, 0), unit_rows(4, 8, 1)
    distances = torch.rand(7, 4, generator=torch.Generator().manual_seed(2)) * 3
    found = loki_scores(images, observed, distances=distances, logit_scale=5.0)
    for n in range(11):
        odds = [math.exp(5 * float(images[n].double() @ row.double())) for row in observed]
        for y in range(7):
            expected = -sum(w / sum(odds) * float(distances[y, k]) ** 2 for k, w in enumerate(odds))
            assert float(found[n, y]) == pytest.approx(expected, abs=1e-5)


def test_a_label_between_two_likely_ones_wins_though_never_observed():
    """p = (½, ½) on two finches: each of them scores −½·2² = −2, their parent −(½ + ½) = −1."""
    observed = torch.eye(2)
    labels = ["goldfinch", "bullfinch", "finch", "barn owl"]
    distances = tree_distances(BIRDS, labels, ["goldfinch", "bullfinch"])
    images = torch.full((1, 2), 0.5**0.5)
    found = loki_scores(images, observed, distances=distances, logit_scale=100.0)
    assert found[0].tolist() == pytest.approx([-2.0, -2.0, -1.0, -16.0], abs=1e-5)


def test_distances_are_squared_once():
    """p = (¾, ¼) at d = 2: −¼·4 = −1 for the likelier; with d in the place of d² it would be −½."""
    images, scale = torch.tensor([[1.0, 0.0]]), math.log(3)
    distances = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    found = loki_scores(images, torch.eye(2), distances=distances, logit_scale=scale)
    assert found[0].tolist() == pytest.approx([-1.0, -3.0], abs=1e-6)


def test_with_all_labels_equally_far_apart_it_is_argmax():
    images, observed = unit_rows(20, 8, 3), unit_rows(6, 8, 4)
    found = loki_scores(images, observed, distances=1 - torch.eye(6), logit_scale=16.0)
    assert torch.equal(found.argmax(dim=1), (images @ observed.T).argmax(dim=1))


def test_text_distances():
    labels, observed = 2 * unit_rows(5, 8, 5), unit_rows(3, 8, 6)
    found = text_distances(labels, observed)
    for row in range(5):
        for column in range(3):
            one = labels[row].double().numpy()
            gap = one / np.sqrt(one @ one) - observed[column].double().numpy()
            assert float(found[row, column]) == pytest.approx(math.sqrt(gap @ gap), abs=1e-5)
    assert text_distances(observed, observed).diagonal().max() < 1e-3


def test_the_next_label_is_the_one_whose_path_adds_most():
    """In a tree whose nodes are all labels, what two labels reach is the path between them."""
    names = list(BIRDS)
    distances = tree_distances(BIRDS, names, names)
    place = {name: number for number, name in enumerate(names)}
    first, second = next_labels(distances, [place["goldfinch"]], count=2)
    # goldfinch, finch, bird, owl, barn owl: the longest path from goldfinch; then the bullfinch beside it.
    assert (names[first.label], first.reach, first.distance) == ("barn owl", 5, 4.0)
    assert (names[second.label], second.reach, names[second.nearest]) == ("bullfinch", 6, "goldfinch")


def test_where_nothing_lies_between_the_farthest_comes_next():
    distances = torch.tensor([[0.0, 1, 5, 2], [1, 0, 5, 2], [5, 5, 0, 5], [2, 2, 5, 0]])
    found = next_labels(distances, [0], count=9)
    assert [each.label for each in found] == [2, 3, 1]
    with pytest.raises(InputError):
        next_labels(distances, [])
    with pytest.raises(InputError):
        next_labels(distances[:2], [0])
