"""Belief, ignorance and confusion: every subset of classes written out, and cases by hand."""

import itertools
import math

import pytest
import torch

from fieldmark.evals.methods.evidential import opinions


def by_subsets(plausibilities):
    """The chance of every subset of classes, sorted by how many it holds."""
    belief, none, several = [0.0] * len(plausibilities), 0.0, 0.0
    for present in itertools.product([False, True], repeat=len(plausibilities)):
        chance = math.prod(p if on else 1 - p for p, on in zip(plausibilities, present, strict=True))
        if sum(present) == 0:
            none += chance
        elif sum(present) == 1:
            belief[present.index(True)] += chance
        else:
            several += chance
    return belief, none, several


@pytest.mark.parametrize(
    "row",
    [
        [0.2, 0.7, 0.5, 0.1], [1.0, 0.3, 0.0, 0.6], [1.0, 1.0, 0.2, 0.2], [0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0], [0.99, 0.98, 0.01, 0.02],
    ],
)  # fmt: skip
def test_equals_sums_over_subsets(row):
    found = opinions(torch.tensor([row], dtype=torch.float64))
    belief, none, several = by_subsets(row)
    assert found.belief.dtype == found.ignorance.dtype == found.confusion.dtype == torch.float32
    assert found.belief[0].tolist() == pytest.approx(belief, abs=1e-7)
    assert float(found.ignorance) == pytest.approx(none, abs=1e-7)
    assert float(found.confusion) == pytest.approx(several, abs=1e-7)


def test_one_certain_class_is_believed_two_are_confusion_none_is_ignorance():
    found = opinions(torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert found.belief.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert found.ignorance.tolist() == [0.0, 0.0, 1.0]
    assert found.confusion.tolist() == [0.0, 1.0, 0.0]


def test_a_thousand_classes_do_not_underflow_in_the_middle():
    """999 at 1e-3, one at 1 - 1e-6: its belief is (1 - 1e-6) 0.999^999."""
    row = torch.full((1, 1000), 1e-3, dtype=torch.float64)
    row[0, 500] = 1 - 1e-6
    found = opinions(row)
    assert float(found.belief[0, 500]) == pytest.approx((1 - 1e-6) * 0.999**999, rel=1e-6)
    assert float(found.belief[0, 0]) == pytest.approx(1e-3 * 1e-6 * 0.999**998, rel=1e-5)
    assert float(found.ignorance) == pytest.approx(1e-6 * 0.999**999, rel=1e-5)
    dense = opinions(torch.full((1, 1000), 0.3))
    assert float(dense.confusion) == pytest.approx(1.0, abs=1e-6)
    assert float(dense.belief.max()) < 1e-30
