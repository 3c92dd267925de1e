"""The linear probe: refusals, and what it takes."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring.fitting import Support
from fieldmark.tools.scoring.linear_probe import fit_linear_probe, linear_probe_scores

SUPPORT = Support(torch.eye(4), torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize("l2", [0.0, -1.0, (), (1.0, 0.0)])
def test_l2_must_be_positive(l2):
    with pytest.raises(InputError):
        fit_linear_probe(SUPPORT, classes=2, l2=l2)


def test_labels_and_widths_must_fit():
    with pytest.raises(InputError):
        fit_linear_probe(SUPPORT, classes=1, l2=1.0)
    with pytest.raises(InputError):
        linear_probe_scores(torch.eye(5), SUPPORT, classes=2, l2=1.0)


def test_half_precision_gives_float32_and_learns():
    half = Support(SUPPORT.vectors.half(), SUPPORT.labels)
    found = linear_probe_scores(torch.eye(4).half(), half, classes=2, l2=0.1)
    assert found.dtype == torch.float32
    assert found.argmax(dim=1).tolist() == [0, 1, 0, 1]


def test_it_fits_where_gradients_are_switched_off():
    with torch.no_grad():
        found = linear_probe_scores(torch.eye(4), SUPPORT, classes=2, l2=0.1)
    assert found.argmax(dim=1).tolist() == [0, 1, 0, 1]
    assert not found.requires_grad


def test_one_class():
    only = Support(torch.eye(4), torch.zeros(4, dtype=torch.int64))
    assert linear_probe_scores(torch.eye(4), only, classes=1, l2=1.0).shape == (4, 1)
