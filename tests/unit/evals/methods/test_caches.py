"""Tip-Adapter, SuS-X and CapS-Adapter: refusals, no images, and half precision."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.caps_adapter import caps_adapter_scores
from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.sus_x import TipXOptions, nearest_support, tip_x_scores
from fieldmark.evals.methods.tip_adapter import label_sums, tip_adapter_scores

CLASSES = torch.eye(3, 4)
SUPPORT = Support(torch.eye(4)[1:], torch.tensor([0, 1, 1]))


def caps(images, classes, *, support, logit_scale, **more):
    return caps_adapter_scores(
        images, classes, support=support, captions=torch.eye(4)[:3], logit_scale=logit_scale, **more
    )


@pytest.mark.parametrize("score", [tip_adapter_scores, tip_x_scores, caps])
def test_no_images_and_half_precision(score):
    assert score(torch.empty(0, 4), CLASSES, support=SUPPORT, logit_scale=16.0).shape == (0, 3)
    found = score(torch.eye(4).half(), CLASSES, support=SUPPORT, logit_scale=16.0)
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("score", [tip_adapter_scores, tip_x_scores, caps])
def test_vectors_of_another_encoder_are_refused(score):
    with pytest.raises(InputError):
        score(torch.eye(5), CLASSES, support=SUPPORT, logit_scale=16.0)
    with pytest.raises(InputError):
        score(torch.eye(4), torch.eye(1, 4), support=SUPPORT, logit_scale=16.0)  # label 1 of one class


def test_options_out_of_range_are_refused():
    with pytest.raises(InputError):
        TipXOptions(temperature=0.0)
    with pytest.raises(InputError):
        TipXOptions(psi="both")  # pyright: ignore[reportArgumentType]
    for wrong in ({"delta": 1.5}, {"signatures": "both"}):
        with pytest.raises(InputError):
            caps(torch.eye(4), CLASSES, support=SUPPORT, logit_scale=16.0, **wrong)
    with pytest.raises(InputError):
        caps_adapter_scores(torch.eye(4), CLASSES, support=SUPPORT, captions=torch.eye(4), logit_scale=16.0)


def test_a_support_set_needs_a_pool():
    with pytest.raises(InputError):
        nearest_support(torch.empty(0, 4), CLASSES, per_class=2)
    with pytest.raises(InputError):
        nearest_support(torch.eye(4), CLASSES, per_class=0)


def test_a_small_pool_gives_what_it_has():
    found = nearest_support(torch.eye(4)[:2], CLASSES, per_class=9)
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_label_sums_equal_a_product_with_one_hot_rows():
    values = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, 0, 2, 2, 3])
    onehot = torch.nn.functional.one_hot(labels, 5).float()
    assert torch.allclose(label_sums(values, labels, 5), values.T @ onehot)
