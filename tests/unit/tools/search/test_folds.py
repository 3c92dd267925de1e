"""Folds hold every class evenly, and are refused where a class has too few images."""

from random import Random

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.search.folds import check_folds, draw_folds


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
    assert "more shots" in error.value.hint
    with pytest.raises(InputError, match=r"and 2 more"):
        check_folds(list("abcde"), 2)
