"""Bags of texts, and which of them an image is matched with."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters.bags import Bags, make_bags, matched_texts

ROWS = {"red": [1.0, 0.0], "blue": [0.0, 2.0], "both": [1.0, 1.0], "none": [-1.0, -1.0]}


def encode(texts):
    return torch.tensor([ROWS[text] for text in texts])


def test_shared_and_repeated_texts_are_one_row():
    bags = make_bags([["red", "both", "red"], ["both", "blue"]], encode)
    assert bags.member.tolist() == [[True, True, False], [False, True, True]]
    assert torch.allclose(bags.vectors, torch.tensor([[1.0, 0.0], [0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    assert bags.classes == 2


def test_an_image_is_matched_with_the_nearest_texts_of_its_own_class():
    bags = make_bags([["red", "none", "both"], ["blue"]], encode)
    vectors = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    found = matched_texts(vectors, torch.tensor([0, 0, 1]), bags, k=2)
    # Rows: 0 red, 1 none, 2 both, 3 blue. The second image is nearest to blue, which is not its class's.
    assert found.tolist() == [[0, 2], [2, 0], [3, -1]]


def test_more_matches_than_texts_are_told():
    bags = make_bags([["red"], ["blue"]], encode)
    found = matched_texts(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), bags, k=5)
    assert found.tolist() == [[1, -1, -1, -1, -1]]


@pytest.mark.parametrize(
    ("vectors", "labels", "k"),
    [
        (torch.ones(1, 2), torch.tensor([2]), 1),
        (torch.ones(1, 2), torch.tensor([-1]), 1),
        (torch.ones(1, 2), torch.tensor([0.0]), 1),
        (torch.ones(1, 3), torch.tensor([0]), 1),
        (torch.ones(2, 2), torch.tensor([0]), 1),
        (torch.ones(0, 2), torch.zeros(0, dtype=torch.int64), 1),
        (torch.full((1, 2), torch.nan), torch.tensor([0]), 1),
        (torch.ones(1, 2), torch.tensor([0]), 0),
    ],
)
def test_input_that_does_not_fit_is_refused(vectors, labels, k):
    bags = Bags(torch.eye(2), torch.eye(2, dtype=torch.bool))
    with pytest.raises(InputError):
        matched_texts(vectors, labels, bags, k=k)


def test_a_class_without_texts_is_refused():
    with pytest.raises(InputError):
        make_bags([["red"], []], encode)
