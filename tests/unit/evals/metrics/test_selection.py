"""Candidate sets by hand."""

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.metrics.selection import candidate_sets


def test_sets_by_hand():
    sets = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.bool)
    found = candidate_sets(sets.numpy(), [0, 2, 1, 1])
    assert (found.size, found.coverage) == (1.5, 0.5)


def test_input_that_makes_no_sense_is_refused():
    with pytest.raises(InputError):
        candidate_sets(np.ones((2, 3)), [0, 1])
    with pytest.raises(InputError):
        candidate_sets(np.ones((2, 3), dtype=bool), [0, 3])
    with pytest.raises(InputError):
        candidate_sets(np.ones((0, 3), dtype=bool), [])
