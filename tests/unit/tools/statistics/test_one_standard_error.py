"""The one-standard-error rule, on scores small enough to do by hand."""

import pytest

from fieldmark.tools.statistics.one_standard_error import choose_simplest


def test_the_best_is_chosen_where_nothing_simpler_is_near() -> None:
    made = choose_simplest([[1.0, 1.2, 0.8], [2.0, 2.1, 1.9], [3.0, 3.1, 3.2], [2.9, 2.8, 3.0]])
    assert (made.best, made.chosen) == (2, 2)
    assert made.shortfalls[2] == made.errors[2] == 0


def test_the_simpler_wins_within_noise() -> None:
    # Option 1 is 0.1 behind option 2 on average, by differences 0.7, −0.5, 0.1: their error is 0.3464.
    made = choose_simplest([[0.0, 0.0, 0.0], [2.3, 3.5, 2.9], [3.0, 3.0, 3.0]])
    assert (made.best, made.chosen) == (2, 1)
    assert made.shortfalls[1] == pytest.approx(0.1)
    assert made.errors[1] == pytest.approx(0.3464, abs=1e-4)


def test_folds_that_are_hard_for_all_are_no_noise() -> None:
    # The folds differ by 10, the options by 0.5 in each of them.
    made = choose_simplest([[0.0, 10.0, 20.0], [0.5, 10.5, 20.5]])
    assert made.chosen == 1


def test_equal_options_fall_to_the_simplest() -> None:
    made = choose_simplest([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
    assert (made.best, made.chosen) == (0, 0)


def test_last_bits_decide_nothing() -> None:
    # Two ways to sum to the same: by floating point the second is better by 1e-16 in its every fold.
    made = choose_simplest([[0.3, 0.3], [0.1 + 0.2, 0.1 + 0.2]])
    assert (made.best, made.chosen) == (1, 0)


def test_of_one_fold_the_best_is_chosen() -> None:
    assert choose_simplest([[0.5]]).chosen == 0
    assert choose_simplest([[0.5], [0.6], [0.6]]).chosen == 1


def test_a_simpler_one_with_the_same_folds_ahead_and_behind_wins() -> None:
    assert choose_simplest([[0.7, 0.9, 0.8], [0.75, 0.85, 0.82]]).chosen == 0
    assert choose_simplest([[0.7, 0.7, 0.7], [0.8, 0.81, 0.8], [0.81, 0.81, 0.8]]).chosen == 1
