"""The linear probe: refusals, and what it takes."""

import sys

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.linear_probe import fit_linear_probe
from fieldmark.evals.methods.shared.support import Support

SUPPORT = Support(torch.eye(4), torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize("l2", [0.0, -1.0, (), (1.0, 0.0)])
def test_l2_must_be_positive(l2):
    with pytest.raises(InputError):
        fit_linear_probe(SUPPORT, classes=2, l2=l2)


def test_labels_must_fit():
    with pytest.raises(InputError):
        fit_linear_probe(SUPPORT, classes=1, l2=1.0)


def test_half_precision_gives_float32_and_learns():
    half = Support(SUPPORT.vectors.half(), SUPPORT.labels)
    found = fit_linear_probe(half, classes=2, l2=0.1).scores(torch.eye(4).half())
    assert found.dtype == torch.float32
    assert found.argmax(dim=1).tolist() == [0, 1, 0, 1]


def test_one_class():
    only = Support(torch.eye(4), torch.zeros(4, dtype=torch.int64))
    assert fit_linear_probe(only, classes=1, l2=1.0).scores(torch.eye(4)).shape == (4, 1)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(InputError, match=r"scikit-learn.*") as caught:
        fit_linear_probe(SUPPORT, classes=2, l2=1.0)
    assert 'pip install "fieldmark[probe]"' in caught.value.hint
