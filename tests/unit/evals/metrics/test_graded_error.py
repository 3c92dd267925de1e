"""Graded error on a tree small enough to count its edges."""

import pytest

from fieldmark.errors import InputError
from fieldmark.evals.metrics.graded_error import graded_error, label_distances

# Two genera with two species each: 2 edges within a genus, 4 across.
TREE = [[0, 2, 4, 4], [2, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]]


def test_distances_and_their_squares_by_hand():
    assert label_distances([0, 1, 2, 3], [0, 0, 0, 2], TREE).tolist() == [0, 2, 4, 2]
    found = graded_error([0, 1, 2, 3], [0, 0, 0, 2], TREE)
    assert (found.distance.value, found.squared.value) == (2.0, 6.0)
    assert found.distance.low < 2 < found.distance.high


def test_classes_may_be_resampled():
    found = graded_error([0, 0, 2, 2], [0, 0, 1, 1], TREE, clusters=[0, 0, 1, 1])
    assert (found.distance.low, found.distance.high) == (0.0, 4.0)


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
