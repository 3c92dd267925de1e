"""Metrics of free words: assignments by enumeration, overlaps and cosines by hand."""

import itertools
import random

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.metrics.open_vocabulary import cluster_accuracy, semantic_iou, semantic_similarity


def test_clusters_by_hand():
    """The word bird fits heron twice and finch once, duck finch once; none is left for hen: 2 + 1 of 5."""
    predicted = ["bird", "bird", "bird", "duck", "hen"]
    found = cluster_accuracy(predicted, ["heron", "heron", "finch", "finch", "heron"])
    assert found.accuracy == 3 / 5
    assert found.right.tolist() == [True, True, False, True, False]
    assert found.names == {"bird": "heron", "duck": "finch"}


def test_greedy_assignment_is_not_enough():
    """a: x 3, y 2; b: x 2. Greedy takes a→x (3); the best is a→y and b→x (4)."""
    found = cluster_accuracy(list("aaaaabb"), list("xxxyyxx"))
    assert found.accuracy == 4 / 7


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_all_assignments_is_found(seed):
    chance = random.Random(seed)
    truth = [chance.choice("abcd") for _ in range(40)]
    words = [chance.choice("pqr") if chance.random() < 0.5 else label.upper() for label in truth]
    names = sorted(set(words))
    best = 0
    for order in itertools.permutations([*"abcd", *[None] * (len(names) - 4)], len(names)):
        renamed = dict(zip(names, order, strict=True))
        best = max(best, sum(renamed[w] == t for w, t in zip(words, truth, strict=True)))
    assert cluster_accuracy(words, truth).accuracy == best / 40


def test_fewer_words_than_names():
    assert cluster_accuracy(["a", "a", "a"], ["x", "y", "z"]).accuracy == 1 / 3


def test_similarity_by_hand_encodes_each_name_once():
    rows = {"cat": [3.0, 0.0], "dog": [0.0, 2.0], "lynx": [3.0, 4.0]}
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return torch.tensor([rows[text] for text in texts])

    found = semantic_similarity(["lynx", "cat", "lynx"], ["cat", "cat", "dog"], encode)
    assert found == pytest.approx([0.6, 1.0, 0.8])
    assert asked == [["lynx", "cat", "dog"]]


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ("red fox", "Red Fox", 1.0),
        ("fox", "arctic fox", 0.5),
        ("big big fox", "big dog", 1 / 3),
        ("t-shirt", "tshirt", 1.0),
        ("t shirt", "t-shirt", 0.0),
        ("cat", "dog", 0.0),
        ("!", "?", 0.0),
        ("", "dog", 0.0),
    ],
)
def test_overlap_by_hand(predicted, truth, expected):
    assert semantic_iou([predicted], [truth]) == pytest.approx([expected])


def test_one_number_per_image():
    assert semantic_iou(["a b", "a"], ["a", "a"]) == pytest.approx(np.array([0.5, 1.0]))


@pytest.mark.parametrize(("predicted", "truth"), [([], []), (["a"], []), ("a", "a")])
def test_input_that_makes_no_sense_is_refused(predicted, truth):
    for metric in (cluster_accuracy, semantic_iou):
        with pytest.raises(InputError):
            metric(predicted, truth)
