"""A book is scored by the rule it names, with hand-made vectors."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.scoring.books import book_scores, check_weights

VECTORS = {"east": [1.0, 0.0], "north": [0.0, 1.0], "west": [-1.0, 0.0]}


def encode(texts: Sequence[str]) -> Tensor:
    return torch.tensor([VECTORS[text] for text in texts])


def book(*texts: tuple[str, str, float], pooling: str = "prototype") -> PromptBook:
    prompts = [Prompt(class_name=c, text=t, origin=Origin(kind="book"), weight=w) for c, t, w in texts]
    return PromptBook.model_validate({"classes": ("a", "b"), "prompts": prompts, "pooling": pooling})


def test_each_rule_gives_its_own_scores() -> None:
    texts = (("a", "east", 3.0), ("a", "north", 4.0), ("b", "west", 1.0))
    image = torch.tensor([[0.6, 0.8]])
    weighted = book_scores(book(*texts), image, encode)
    assert weighted.tolist() == [pytest.approx([1.0, -0.6], abs=1e-6)]
    mean = book_scores(book(*texts, pooling="mean_cosine"), image, encode)
    assert mean.tolist() == [pytest.approx([0.7, -0.6], abs=1e-6)]


@pytest.mark.parametrize("weights", [(0.0, 0.0), (2.0, -1.0)])
def test_weights_that_make_no_mean_are_refused(weights: tuple[float, float]) -> None:
    wrong = (("a", "east", weights[0]), ("a", "north", weights[1]), ("b", "west", 1.0))
    with pytest.raises(InputError, match="weights for 'a' make no mean"):
        book_scores(book(*wrong), torch.eye(2), encode)
    check_weights(book(*wrong, pooling="mean_cosine"))
