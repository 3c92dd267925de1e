import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring.branches import smallest_branch

MEMBERSHIP = torch.tensor(
    [
        # heron, waterbird (heron and stork), songbird
        [1, 1, 0],
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
    ],
    dtype=torch.float32,
)


@pytest.mark.parametrize(
    ("probabilities", "risk", "branch", "probability"),
    [
        ([0.50, 0.46, 0.02, 0.02], 0.05, 0, 0.96),  # the herons alone
        ([0.50, 0.30, 0.18, 0.02], 0.05, 1, 0.98),  # only with the stork
        ([0.50, 0.30, 0.18, 0.02], 0.20, 0, 0.80),  # more risk, a smaller branch
        ([0.50, 0.45, 0.00, 0.05], 0.05, 0, 0.95),  # exactly 1 - risk is enough
        ([0.40, 0.30, 0.10, 0.20], 0.05, -1, 0.0),  # in no branch
        ([0.01, 0.01, 0.01, 0.97], 0.05, 2, 0.97),  # a branch of one class
        ([0.20, 0.20, 0.20, 0.40], 0.65, 2, 0.40),  # above one half the smaller one wins, not the likelier
    ],
)
def test_truth_table(probabilities: list[float], risk: float, branch: int, probability: float):
    found = smallest_branch(torch.tensor([probabilities]), MEMBERSHIP, risk=risk)
    assert found.branch.tolist() == [branch]
    assert found.probability.tolist() == pytest.approx([probability], abs=1e-6)


def test_of_one_size_the_likelier_and_of_equals_the_first():
    halves = torch.tensor([[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 1, 0]], dtype=torch.float32)
    shares = torch.tensor([[0.2, 0.2, 0.3, 0.3], [0.3, 0.3, 0.2, 0.2]])
    assert smallest_branch(shares, halves, risk=0.7).branch.tolist() == [1, 0]


def test_rows_of_many_images_are_each_their_own_and_sums_stay_shares():
    shares = torch.rand(500, 4, generator=torch.Generator().manual_seed(0)).pow(4)
    shares /= shares.sum(1, keepdim=True)
    found = smallest_branch(shares, MEMBERSHIP, risk=0.1)
    alone = [smallest_branch(row[None], MEMBERSHIP, risk=0.1) for row in shares]
    assert found.branch.tolist() == [int(each.branch) for each in alone]
    assert 0 < (found.branch >= 0).sum() < 500
    assert bool((found.probability <= 1).all())


def test_no_branch_and_wrong_shapes():
    found = smallest_branch(torch.ones(2, 4) / 4, torch.zeros(4, 0), risk=0.05)
    assert (found.branch.tolist(), found.probability.tolist()) == ([-1, -1], [0.0, 0.0])
    assert len(smallest_branch(torch.zeros(0, 4), MEMBERSHIP, risk=0.05).branch) == 0
    with pytest.raises(InputError, match="do not fit"):
        smallest_branch(torch.ones(2, 3), MEMBERSHIP, risk=0.05)
