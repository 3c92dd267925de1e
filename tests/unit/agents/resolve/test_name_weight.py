"""How much a class name's own score counts beside the field guide."""

from types import SimpleNamespace

import pytest
import torch

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import LEAST_NAME_WEIGHT, name_weight


def context(**options):
    return SimpleNamespace(
        options=ResolveOptions(**options), encoder=SimpleNamespace(logit_scale=torch.tensor(9.0).log().item())
    )


# At that scale cosines of 1 against 0 and 0 are 9 : 1 : 1, so that the best name has 9 of 11.
SURE, UNSURE = [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]


def test_names_that_the_encoder_is_sure_of_count_by_as_much():
    found = name_weight(torch.tensor([SURE, UNSURE]), context())
    assert found.tolist() == pytest.approx([9 / 11, 1 / 3])


def test_a_pool_goes_by_the_mean_confidence():
    found = name_weight(torch.tensor([SURE, UNSURE]), context(), pooled=True)
    assert found.tolist() == pytest.approx([(9 / 11 + 1 / 3) / 2])


def test_names_that_say_nothing_keep_the_least_weight():
    many = torch.zeros(4, 50)
    assert name_weight(many, context()).tolist() == pytest.approx([LEAST_NAME_WEIGHT] * 4)
    assert name_weight(many, context(), pooled=True).tolist() == pytest.approx([LEAST_NAME_WEIGHT])


def test_a_weight_that_is_given_is_taken():
    assert name_weight(torch.tensor([SURE, UNSURE]), context(name_weight=0.7)).tolist() == pytest.approx(
        [0.7] * 2
    )
    assert name_weight(torch.tensor([SURE]), context(name_weight=0.0), pooled=True).tolist() == [0.0]
