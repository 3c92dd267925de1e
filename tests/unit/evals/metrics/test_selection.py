"""Candidate sets and selective accuracy, by hand and by enumeration of ties."""

import itertools

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.metrics.selection import candidate_sets, selective_curve


def test_sets_by_hand():
    sets = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.bool)
    found = candidate_sets(sets.numpy(), [0, 2, 1, 1])
    assert (found.size.value, found.coverage.value) == (1.5, 0.5)
    assert (found.single.value, found.empty.value) == (0.25, 0.25)


def test_sets_resample_classes():
    """Class 0 covered, class 1 not: over classes a resample is 0, 1/2 or 1."""
    sets = np.array([[True, False]] * 6)
    found = candidate_sets(sets, [0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1])
    assert (found.coverage.low, found.coverage.high) == (0.0, 1.0)
    assert (found.size.low, found.size.high) == (1.0, 1.0)


def test_curve_by_hand():
    found = selective_curve([0.2, 0.9, 0.5, 0.7], np.array([False, True, True, False]))
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.accuracy == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert found.risk_area == pytest.approx(1 - (1 + 1 / 2 + 2 / 3 + 1 / 2) / 4)
    assert [found.at(c) for c in (0.01, 0.25, 0.3, 0.75, 1)] == pytest.approx([1, 1, 1 / 2, 2 / 3, 1 / 2])


def test_ties_are_the_mean_over_all_orders():
    sure = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    right = np.array([True, True, False, False, True])
    curves = []
    for order in itertools.permutations([1, 2, 3]):
        rows = right[[0, *order, 4]]
        curves.append([rows[: n + 1].mean() for n in range(5)])
    assert selective_curve(sure, right).accuracy == pytest.approx(np.mean(curves, axis=0))


def test_coverage_that_rounds_up_by_a_hair():
    found = selective_curve(np.arange(100)[::-1], np.arange(100) < 7)
    assert 0.07 * 100 > 7
    assert found.at(0.07) == 1.0


def test_useless_confidence_gives_a_flat_curve():
    found = selective_curve(np.zeros(8), np.array([True, False] * 4))
    assert found.accuracy == pytest.approx([0.5] * 8)


def test_input_that_makes_no_sense_is_refused():
    with pytest.raises(InputError):
        candidate_sets(np.ones((2, 3)), [0, 1])
    with pytest.raises(InputError):
        candidate_sets(np.ones((2, 3), dtype=bool), [0, 3])
    for sure, right in [([], np.zeros(0, dtype=bool)), ([float("nan")], np.array([True])), ([1], [1])]:
        with pytest.raises(InputError):
            selective_curve(sure, right)
    curve = selective_curve([0.5], np.array([True]))
    for coverage in (0, 1.1):
        with pytest.raises(InputError):
            curve.at(coverage)
