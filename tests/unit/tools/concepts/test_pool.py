from pathlib import Path

import pytest
import torch

from fieldmark.errors import InputError
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
    monkeypatch.setattr(pools, "BLOCK", block)
    pool = made_pool(50)
    queries = torch.randn(4, 8, generator=torch.manual_seed(1))
    hits = pool.search(queries, 5, without=[0, 7])
    cosines = torch.nn.functional.normalize(queries, dim=1) @ pool.vectors.T
    cosines[:, [0, 7]] = -9
    expected = cosines.sort(dim=1, descending=True)
    assert torch.equal(hits.rows, expected.indices[:, :5])
    assert torch.allclose(hits.scores, expected.values[:, :5])


def test_search_gives_what_there_is():
    pool = made_pool(4)
    assert pool.search(pool.vectors[:1], 10, without=[2]).rows.shape == (1, 3)
    assert pool.search(pool.vectors[:1], 10, without=range(4)).rows.shape == (1, 0)


def test_queries_of_another_encoder_are_refused():
    with pytest.raises(InputError, match="width 8"):
        made_pool(3).search(torch.ones(1, 4), 1)


def test_rows_of_hashes_that_are_there():
    assert made_pool(3).rows(["hash2", "gone", "hash0"]) == [2, 0]
