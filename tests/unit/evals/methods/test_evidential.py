"""Opinions: steps change nothing, logits are refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.evidential import opinions
from fieldmark.tools.scoring import vectors


def test_steps_change_nothing(monkeypatch):
    values = torch.rand(17, 5, generator=torch.Generator().manual_seed(1))
    whole = opinions(values)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 80)
    found = opinions(values)
    assert torch.equal(whole.belief, found.belief)
    assert torch.equal(whole.ignorance, found.ignorance)
    assert torch.equal(whole.confusion, found.confusion)
    assert torch.allclose(found.belief.sum(1) + found.ignorance + found.confusion, torch.ones(17))


@pytest.mark.parametrize("values", [[[0.5, 1.5]], [[-0.1, 0.5]], [[float("nan"), 0.5]], [0.5, 0.5], [[], []]])
def test_what_is_no_plausibility_is_refused(values):
    with pytest.raises(InputError):
        opinions(torch.tensor(values))


def test_one_class_is_believed_or_not():
    found = opinions(torch.tensor([[0.25]]))
    assert found.belief.tolist() == [[0.25]]
    assert found.ignorance.tolist() == [0.75]
    assert found.confusion.tolist() == [0.0]
