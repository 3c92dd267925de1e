"""Which rows of the field guide say the same."""

import torch

from fieldmark.agents.resolve.rescoring import rows_alike


def test_rows_are_alike_where_no_attribute_with_votes_on_both_differs() -> None:
    counts = torch.tensor(
        [
            [[1.0, 0.0], [1.0, 0.0]],
            [[2.0, 1.0], [0.0, 0.0]],
            [[0.0, 1.0], [1.0, 0.0]],
        ]
    )
    assert rows_alike(counts).tolist() == [
        [True, True, False],
        [True, True, False],
        [False, False, True],
    ]
