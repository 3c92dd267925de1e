"""Folds hold every class evenly, and the simplest option within noise of the best is chosen."""

from random import Random

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.search.folds import check_folds, choose_simplest, draw_folds


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_folds_are_even_in_every_class_and_in_all(folds: int) -> None:
    sizes = (4, 5, 4, 7, 6)
    labels = torch.arange(5).repeat_interleave(torch.tensor(sizes))[torch.randperm(26)]
    fold = draw_folds(labels, folds, Random(1))
    assert set(fold.tolist()) == set(range(folds))
    for c in range(5):
        counts = torch.bincount(fold[labels == c], minlength=folds)
        assert int(counts.max() - counts.min()) <= 1
        assert int(counts.min()) >= 1
    counts = torch.bincount(fold, minlength=folds)
    assert int(counts.max() - counts.min()) <= 1


def test_folds_follow_the_seed() -> None:
    labels = torch.arange(6).repeat(8)
    first = draw_folds(labels, 4, Random(1)).tolist()
    assert draw_folds(labels, 4, Random(1)).tolist() == first
    assert draw_folds(labels, 4, Random(2)).tolist() != first


def test_classes_with_too_few_images_are_named() -> None:
    check_folds(["a", "a", "b", "b"], 2)
    check_folds(["a"], 0)
    with pytest.raises(InputError, match=r"fewer: b \(2\)") as error:
        check_folds(["a", "a", "a", "b", "b"], 3)
    assert "--shots" in error.value.hint
    with pytest.raises(InputError, match=r"and 2 more"):
        check_folds(list("abcde"), 2)


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
