"""Vectors that do not fit each other are refused with a hint; what fits comes out as float32."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.support import Support, fitting_support, fitting_vectors


@pytest.mark.parametrize(
    ("images", "classes"),
    [
        (torch.ones(3, 4), torch.ones(2, 5)),
        (torch.ones(4), torch.ones(2, 4)),
        (torch.ones(3, 4), torch.ones(4)),
        (torch.ones(3, 4), torch.ones(0, 4)),
    ],
)
def test_vectors_that_do_not_fit_are_refused(images, classes):
    with pytest.raises(InputError) as caught:
        fitting_vectors(images, classes)
    assert caught.value.hint


@pytest.mark.parametrize(
    "support",
    [
        Support(torch.ones(0, 4), torch.ones(0, dtype=torch.int64)),
        Support(torch.ones(2, 3), torch.tensor([0, 1])),
        Support(torch.ones(2, 4), torch.tensor([0])),
        Support(torch.ones(2, 4), torch.tensor([0, 2])),
        Support(torch.ones(2, 4), torch.tensor([0, -1])),
    ],
)
def test_support_that_does_not_fit_is_refused(support):
    with pytest.raises(InputError) as caught:
        fitting_support(support, 2, 4)
    assert caught.value.hint


def test_half_precision_becomes_float32():
    images, classes = fitting_vectors(torch.ones(3, 4).half(), torch.ones(2, 4).double())
    vectors, labels = fitting_support(Support(torch.ones(1, 4).half(), torch.tensor([1]).int()), 2, 4)
    assert {part.dtype for part in (images, classes, vectors)} == {torch.float32}
    assert labels.dtype == torch.int64
