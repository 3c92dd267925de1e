"""A class that all evidence speaks for comes back, within what the first look admitted."""

import torch

from fieldmark.agents.resolve.triage import with_winners


def test_a_class_that_beats_all_that_are_left_comes_back() -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [3.0, 2.0, 0.0], [1.0, -torch.inf, 0.0]])
    kept = torch.tensor(
        [[True, False, False], [False, False, False], [True, False, False], [True, False, False]]
    )
    found = with_winners(scores, kept)
    assert found.tolist() == [
        [True, True, False],  # beaten by the second class: contested, not resolved
        [False, False, False],  # rejected stays rejected
        [True, False, False],  # the one left is the best of all
        [True, False, False],  # a class that may not come back does not
    ]
    assert not kept[0, 1]  # the input is left alone
