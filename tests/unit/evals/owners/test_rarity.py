import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.owners.prevalence import thinned, weights_for
from fieldmark.evals.owners.results import measured
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile


def pool_of(tmp_path, count):
    images = tuple(ImageFile(path=tmp_path / f"{n}.png", content_hash=f"{n:064x}") for n in range(count))
    return ImagePool(images, torch.eye(count))


def test_a_thinned_pool_keeps_all_that_is_out_and_the_share_that_is_in(tmp_path):
    inside = [n % 2 == 0 for n in range(200)]
    few = thinned(pool_of(tmp_path, 200), inside, share=0.05, seed=3)
    rows = [int(image.content_hash, 16) for image in few.images]
    assert [row for row in rows if row % 2] == list(range(1, 200, 2))
    assert sum(row % 2 == 0 for row in rows) == 5  # 5 of 105
    assert few.vectors[:, rows].equal(torch.eye(len(rows)))  # each picture kept its own vector
    again = thinned(pool_of(tmp_path, 200), inside, share=0.05, seed=3)
    other = thinned(pool_of(tmp_path, 200), inside, share=0.05, seed=4)
    assert again.images == few.images
    assert other.images != few.images
    with pytest.raises(InputError, match="too few"):
        thinned(pool_of(tmp_path, 20), [n < 10 for n in range(20)], share=0.05, seed=0)


def test_weighted_f1_is_that_of_pictures_of_which_so_many_are_in():
    # 40 in, of which 30 are found; 60 out, of which 6 are called in.
    truth = np.repeat([1.0, 0.0], [40, 60])
    calls = np.concatenate([np.repeat([1.0, 0.0], [30, 10]), np.repeat([1.0, 0.0], [6, 54])])
    weights = weights_for(truth, share=0.03)
    assert np.average(truth, weights=weights) == pytest.approx(0.03)
    assert weights.mean() == pytest.approx(1.0)
    # Of 10,000 pictures 300 are in, and 225 of them are found; of 9,700 others 970 are called in.
    assert measured(truth, calls, seed=0, weights=weights).value == pytest.approx(2 * 225 / (300 + 225 + 970))
    assert measured(truth, calls, seed=0).value == pytest.approx(2 * 30 / (40 + 36))
