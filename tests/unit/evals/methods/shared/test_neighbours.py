"""Nearest rows and the neighbour graph, against the full tables that they avoid."""

import pytest
import torch

from fieldmark.tools.scoring import vectors as steps
from fieldmark.tools.scoring.neighbours import nearest_neighbours, nearest_rows, neighbour_graph


def unit_rows(count, width=6, seed=0):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


@pytest.mark.parametrize("block", [50, 1 << 24])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_neighbours_equal_the_full_table(monkeypatch, k, block):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", block)
    rows = unit_rows(30)
    index, cosine = nearest_neighbours(rows, k)
    table = (rows @ rows.T).fill_diagonal_(-2)
    expected = table.sort(dim=1, descending=True)
    k = min(k, 29)
    assert torch.equal(index, expected.indices[:, :k])
    assert torch.allclose(cosine, expected.values[:, :k], atol=1e-6)


@pytest.mark.parametrize("block", [40, 1 << 24])
def test_nearest_rows_equal_the_full_table(monkeypatch, block):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", block)
    monkeypatch.setattr("fieldmark.tools.scoring.neighbours._ROWS_PER_BLOCK", 5)
    queries, rows = unit_rows(9), unit_rows(33, seed=1)
    index, cosine = nearest_rows(queries, rows.half(), 7)
    expected = (queries @ rows.half().float().T).sort(dim=1, descending=True)
    assert torch.equal(index, expected.indices[:, :7])
    assert torch.allclose(cosine, expected.values[:, :7], atol=1e-6)


def test_sums_equal_the_full_matrix():
    index = torch.tensor([[1, 2], [0, 2], [1, 0], [0, 1], [3, 0]])
    weights = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    table = torch.zeros(5, 5).scatter_(1, index, weights)
    values = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
    graph = neighbour_graph(index, weights)
    found = torch.cat([graph.sums(values, rows) for rows in (slice(0, 2), slice(2, 3), slice(3, 5))])
    assert torch.allclose(found, (table + table.T) @ values, atol=1e-6)


def test_a_lonely_row_has_no_neighbours():
    index, cosine = nearest_neighbours(unit_rows(1), 3)
    graph = neighbour_graph(index, cosine)
    assert graph.sums(torch.ones(1, 4), slice(0, 1)).tolist() == [[0.0] * 4]
    assert nearest_rows(unit_rows(2), unit_rows(0), 3)[0].shape == (2, 0)
