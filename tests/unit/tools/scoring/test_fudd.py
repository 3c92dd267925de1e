"""FuDD's second step: input checks, chunks, sentences that are not needed are not lost."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring import vectors
from fieldmark.tools.scoring.fudd import fudd_scores, fudd_scores_within

IMAGES = torch.nn.functional.normalize(torch.randn(30, 8, generator=torch.Generator().manual_seed(1)), dim=1)
FIRST = torch.randn(30, 4, generator=torch.Generator().manual_seed(2))
DEFAULT = ["w", "x", "y", "z"]


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


@pytest.mark.parametrize(
    "pairs",
    [
        {(0, 0): (["a"], ["b"])},
        {(0, 4): (["a"], ["b"])},
        {(-1, 2): (["a"], ["b"])},
        {(0, 1): (["a"], ["b"]), (1, 0): (["b"], ["a"])},
        {(0, 1): ("a", ["b"])},
    ],
)
def test_pairs_that_make_no_sense_are_refused(pairs):
    with pytest.raises(InputError):
        fudd_scores(IMAGES, encode, FIRST, pairs, DEFAULT, k=2)


@pytest.mark.parametrize(
    ("images", "default", "k"), [(IMAGES, DEFAULT, 0), (IMAGES[:3], DEFAULT, 2), (IMAGES, ["w"], 2)]
)
def test_shapes_that_do_not_fit_are_refused(images, default, k):
    with pytest.raises(InputError):
        fudd_scores(images, encode, FIRST, {}, default, k=k)


def test_steps_change_nothing(monkeypatch):
    pairs = {(0, 1): (["a", "b"], ["c"]), (2, 3): (["d"], ["e", "f"])}
    whole = fudd_scores(IMAGES, encode, FIRST, pairs, DEFAULT, k=3)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    assert torch.allclose(whole, fudd_scores(IMAGES, encode, FIRST, pairs, DEFAULT, k=3), atol=1e-6)


def test_k_beyond_the_classes_means_all_and_no_images_give_no_rows():
    found = fudd_scores(IMAGES, encode, FIRST, {}, DEFAULT, k=9)
    assert bool(torch.isfinite(found).all())
    assert fudd_scores(IMAGES[:0], encode, FIRST[:0], {}, DEFAULT, k=2).shape == (0, 4)


def test_steps_within_candidates_change_nothing(monkeypatch):
    pairs = {(0, 1): (["a", "b"], ["c"]), (2, 3): (["d"], ["e", "f"])}
    candidates = torch.rand(30, 4, generator=torch.Generator().manual_seed(3)) < 0.6
    whole = fudd_scores_within(IMAGES, encode, candidates, pairs, DEFAULT)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    found = fudd_scores_within(IMAGES, encode, candidates, pairs, DEFAULT)
    assert torch.equal(whole.isinf(), found.isinf())
    assert torch.allclose(whole[candidates], found[candidates], atol=1e-6)


def test_no_candidates_at_all_and_no_images():
    none = torch.zeros(30, 4, dtype=torch.bool)
    assert bool(fudd_scores_within(IMAGES, encode, none, {}, DEFAULT).isinf().all())
    assert fudd_scores_within(IMAGES[:0], encode, none[:0], {}, DEFAULT).shape == (0, 4)


@pytest.mark.parametrize(
    "candidates", [torch.ones(30, 4), torch.ones(30, 3, dtype=torch.bool), torch.ones(4, dtype=torch.bool)]
)
def test_candidates_that_do_not_fit_are_refused(candidates):
    with pytest.raises(InputError):
        fudd_scores_within(IMAGES, encode, candidates, {}, DEFAULT)
