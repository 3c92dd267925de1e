"""Class prototypes: weights, scale, and refusals."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring.prototype import class_prototypes, ensemble_scores

VECTORS = {"x": [2.0, 0.0], "y": [0.0, 5.0]}


def encode(texts):
    return torch.tensor([VECTORS[text] for text in texts], dtype=torch.float64)


def test_weights_count_like_repetitions():
    weighted = class_prototypes([["x", "y"]], encode, weights=[[3.0, 1.0]])
    assert torch.allclose(weighted, class_prototypes([["x", "x", "x", "y"]], encode))
    assert weighted.dtype == torch.float32


@pytest.mark.parametrize("weights", [[[1.0]], [[0.0, 0.0]], [[2.0, -1.0]], []])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(InputError):
        class_prototypes([["x", "y"]], encode, weights=weights)


def test_scale_multiplies_and_half_precision_images_give_float32():
    images = torch.eye(2, dtype=torch.float16)
    found = ensemble_scores(images, encode, [["x"], ["y"]], logit_scale=16.0)
    assert found.dtype == torch.float32
    assert found.tolist() == [[16.0, 0.0], [0.0, 16.0]]
