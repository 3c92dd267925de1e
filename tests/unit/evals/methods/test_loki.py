"""Loki: trees that are none, and tables that do not fit."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.loki import loki_scores, text_distances, tree_distances


@pytest.mark.parametrize(
    ("parents", "labels"),
    [
        ({"a": "root"}, ["b"]),
        ({"a": "b", "b": "a"}, ["a"]),
        ({"a": "a"}, ["a"]),
        ({"a": "one", "b": "two"}, ["a", "b"]),
    ],
    ids=["unknown", "circle", "its own parent", "two trees"],
)
def test_trees_that_are_none_are_refused(parents, labels):
    with pytest.raises(InputError) as caught:
        tree_distances(parents, labels, labels)
    assert caught.value.hint


def test_no_labels_give_an_empty_table():
    assert tree_distances({"a": None}, [], ["a"]).shape == (0, 1)


@pytest.mark.parametrize(
    "distances", [torch.ones(3), torch.ones(3, 3), -torch.ones(3, 2), torch.full((3, 2), torch.nan)]
)
def test_tables_that_do_not_fit_are_refused(distances):
    with pytest.raises(InputError):
        loki_scores(torch.eye(2), torch.eye(2), distances=distances, logit_scale=1.0)


def test_widths_must_fit():
    with pytest.raises(InputError):
        text_distances(torch.eye(2), torch.eye(3))


def test_no_images():
    found = loki_scores(torch.empty(0, 2), torch.eye(2), distances=torch.ones(5, 2), logit_scale=1.0)
    assert found.shape == (0, 5)
