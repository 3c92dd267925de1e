"""The grid of templates and classes: its order, its refusals, weights per template and per class."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.template_pool import encode_grid, grid_scores

VECTORS = {"x": [2.0, 0.0], "y": [0.0, 5.0], "z": [-3.0, 0.0]}


def encode(texts):
    return torch.tensor([VECTORS[text] for text in texts], dtype=torch.float64)


def test_grid_is_in_the_order_of_the_prompts_and_each_text_is_encoded_once():
    asked = []

    def counting(texts):
        asked.extend(texts)
        return encode(texts)

    found = encode_grid([["x", "y"], ["z", "x"]], counting)
    assert found.tolist() == [[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [1.0, 0.0]]]
    assert found.dtype == torch.float32
    assert asked == ["x", "y", "z"]


@pytest.mark.parametrize("prompts", [[], [["x", "y"], ["z"]], [["x"], []], ["xy", "xz"]])
def test_prompts_that_are_no_grid_are_refused(prompts):
    with pytest.raises(InputError):
        encode_grid(prompts, encode)


def test_weights_are_per_template_or_per_class():
    grid = encode_grid([["x", "y"], ["y", "x"]], encode)
    images = torch.tensor([[1.0, 0.0]], dtype=torch.float16)
    shared = grid_scores(images, grid, torch.tensor([[0.75], [0.25]]), logit_scale=8.0)
    assert shared.tolist() == [[6.0, 2.0]]
    assert shared.dtype == torch.float32
    own = grid_scores(images, grid, torch.tensor([[0.75, 0.0], [0.25, 1.0]]), logit_scale=8.0)
    assert own.tolist() == [[6.0, 8.0]]
