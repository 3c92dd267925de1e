"""Top-k, classes and groups: cases worked by hand, and a sort written out as reference."""

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.metrics.accuracy import (
    group_accuracy,
    label_distances,
    label_ranks,
    predictions_right,
    top_k_right,
)

INF = float("inf")
# Two genera with two species each: 2 edges within a genus, 4 across.
TREE = [[0, 2, 4, 4], [2, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]]


def test_ranks_by_hand():
    scores = [[0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5]]
    assert label_ranks(scores, [0, 1, 2]).tolist() == [2, 0, 1]


def test_among_equals_the_first_class_is_ahead_as_in_argmax():
    scores = np.array([[5, 7, 7, 7]] * 4)
    assert label_ranks(scores, [0, 1, 2, 3]).tolist() == [3, 0, 1, 2]
    assert scores[0].argmax() == 1


def test_ranks_match_a_stable_sort_with_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (300, 7)).astype(float)
    labels = rng.integers(0, 7, 300)
    expected = []
    for row, label in zip(scores, labels, strict=True):
        order = sorted(range(7), key=lambda at: (-row[at], at))
        expected.append(order.index(label))
    assert label_ranks(scores, labels).tolist() == expected
    assert top_k_right(torch.tensor(scores), torch.tensor(labels), k=5).tolist() == [e < 5 for e in expected]
    assert top_k_right(scores, labels).tolist() == [e == 0 for e in expected]
    assert top_k_right(scores, labels).tolist() == (scores.argmax(1) == labels).tolist()


def test_a_class_out_of_the_running_is_never_found():
    scores = [[-INF, 1.0, -INF], [-INF, -INF, -INF]]
    assert label_ranks(scores, [0, 0]).tolist() == [3, 3]
    assert top_k_right(scores, [0, 0], k=3).tolist() == [False, False]
    assert top_k_right(scores, [1, 0]).tolist() == [True, False]


def test_ranks_do_not_depend_on_the_size_of_steps(monkeypatch):
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(50, 9)), rng.integers(0, 9, 50)
    whole = label_ranks(scores, labels)
    monkeypatch.setattr("fieldmark.evals.metrics.accuracy._STEP", 20)
    assert label_ranks(scores, labels).tolist() == whole.tolist()


def test_predicted_labels_may_be_missing():
    assert predictions_right([0, 2, -1], [0, 1, 0]).tolist() == [True, False, False]


def test_accuracy_by_group_by_hand():
    """Land birds on land 2 of 2, on water 1 of 3, water birds on water 1 of 2."""
    right = np.array([True, True, True, False, False, True, False])
    found = group_accuracy(right, ["ll", "ll", "lw", "lw", "lw", "ww", "ww"])
    assert found.names.tolist() == ["ll", "lw", "ww"]
    assert found.sizes.tolist() == [2, 3, 2]
    assert found.accuracy == pytest.approx([1, 1 / 3, 1 / 2])
    assert found.macro == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    assert found.worst == 1


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([[0.1, float("nan")]], [0]),
        ([[0.1, INF]], [0]),
        ([[0.1, 0.2]], [2]),
        ([[0.1, 0.2]], [-1]),
        ([[0.1, 0.2]], [0.0]),
        ([[0.1, 0.2]], [0, 1]),
        ([0.1, 0.2], [0]),
    ],
)
def test_scores_that_make_no_sense_are_refused(scores, labels):
    with pytest.raises(InputError):
        label_ranks(scores, labels)


def test_other_input_that_makes_no_sense_is_refused():
    with pytest.raises(InputError):
        top_k_right([[0.1, 0.2]], [0], k=0)
    with pytest.raises(InputError):
        predictions_right([0, 1], [0])
    with pytest.raises(InputError):
        group_accuracy(np.array([True]), ["a", "b"])
    with pytest.raises(InputError):
        group_accuracy(np.zeros(0, dtype=bool), [])
    with pytest.raises(InputError):
        group_accuracy(np.array([0.5]), ["a"])


def test_distances_by_hand():
    assert label_distances([0, 1, 2, 3], [0, 0, 0, 2], TREE).tolist() == [0, 2, 4, 2]


@pytest.mark.parametrize(
    "table", [[[0, 1], [2, 0]], [[1, 1], [1, 0]], [[0, -1], [-1, 0]], [[0, float("inf")]] * 2, [[0, 1]]]
)
def test_what_is_no_distance_is_refused(table):
    with pytest.raises(InputError):
        label_distances([0], [0], table)


def test_missing_predictions_are_refused():
    with pytest.raises(InputError):
        label_distances([-1], [0], TREE)
    with pytest.raises(InputError):
        label_distances([0, 1], [0], TREE)
