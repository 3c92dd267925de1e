from pathlib import Path

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.concepts import nearest
from fieldmark.tools.concepts import pool as pools
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile


def made_pool(count, width=8, seed=0):
    vectors = torch.nn.functional.normalize(
        torch.randn(count, width, generator=torch.manual_seed(seed)), dim=1
    )
    return ImagePool(tuple(ImageFile(Path(f"{n}.png"), f"hash{n}") for n in range(count)), vectors)


@pytest.mark.parametrize("block", [3, 7, 1000])
def test_search_is_exact_whatever_the_block(monkeypatch, block):
    monkeypatch.setattr(nearest, "BLOCK", block)
    pool = made_pool(50)
    queries = torch.randn(4, 8, generator=torch.manual_seed(1))
    hits = pool.search(queries, 5, without=[0, 7])
    cosines = torch.nn.functional.normalize(queries, dim=1) @ pool.vectors.T
    cosines[:, [0, 7]] = -9
    expected = cosines.sort(dim=1, descending=True)
    assert torch.equal(hits.rows, expected.indices[:, :5])
    assert torch.allclose(hits.scores, expected.values[:, :5])


def test_a_large_pool_is_searched_by_an_index_and_scored_exactly(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(pools, "EXACT_UP_TO", 100)
    pool = made_pool(2000, width=16)
    queries = pool.vectors[:40]
    exact = nearest.nearest(pool.vectors, queries, 5, without=[0, 7])
    found = pool.search(queries, 5, without=[0, 7])
    same = (found.rows[:, :, None] == exact.rows[:, None]).any(1).float().mean()
    assert float(same) > 0.9
    assert not torch.isin(found.rows, torch.tensor([0, 7])).any()
    cosines = (pool.vectors[found.rows] * queries[:, None]).sum(-1)
    assert torch.allclose(found.scores, cosines, atol=1e-5)
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all()
    few = range(1997)  # the three that are left lie in lists that are not all looked into
    exact = nearest.nearest(pool.vectors, queries, 5, without=few)
    assert torch.equal(pool.search(queries, 5, without=few).rows, exact.rows)


def test_search_gives_what_there_is():
    pool = made_pool(4)
    assert pool.search(pool.vectors[:1], 10, without=[2]).rows.shape == (1, 3)
    assert pool.search(pool.vectors[:1], 10, without=range(4)).rows.shape == (1, 0)


def test_queries_of_another_encoder_are_refused():
    with pytest.raises(InputError, match="width 8"):
        made_pool(3).search(torch.ones(1, 4), 1)


def test_rows_of_hashes_that_are_there():
    assert made_pool(3).rows(["hash2", "gone", "hash0"]) == [2, 0]
