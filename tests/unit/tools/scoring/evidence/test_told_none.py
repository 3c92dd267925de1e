"""One image that shows none of the classes speaks for those that are like it, on made-up pools."""

import pytest
import torch

from fieldmark.tools.scoring.evidence.combine import combine
from fieldmark.tools.scoring.evidence.names import NameView
from fieldmark.tools.scoring.evidence.told_none import like_none
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, Pool, made_up

LISTED = CLASSES - 2
NOTHING = torch.zeros(0, dtype=torch.int64)


def shortened(seed: int) -> Pool:
    pool = made_up(seed=seed, known=0.5)
    return Pool(pool.vectors, pool.names[:, :LISTED], pool.cosines, pool.counts[:LISTED], pool.truth)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_images_of_its_kind_are_likely_and_those_of_classes_are_not(seed: int) -> None:
    pool = shortened(seed)
    evidence = combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)
    told = (pool.truth == LISTED).nonzero()[:1, 0]
    like = like_none(evidence, pool.vectors, NOTHING, NOTHING, told)
    assert float(like[told]) > 0.99
    assert float((like[pool.truth == LISTED] > 0.5).float().mean()) > 0.9
    assert float((like[pool.truth < LISTED] > 0.5).float().mean()) < 0.05


def test_an_image_with_a_class_stays_with_it() -> None:
    pool = shortened(11)
    evidence = combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)
    told, other = (pool.truth == LISTED).nonzero()[:2, 0]
    like = like_none(evidence, pool.vectors, other[None], torch.tensor([0]), told[None])
    assert float(like[other]) < 0.01


def test_without_such_an_image_nothing_is_likely() -> None:
    pool = shortened(11)
    evidence = combine(pool.vectors, [NameView(pool.names)])
    assert not like_none(evidence, pool.vectors, NOTHING, NOTHING, NOTHING).any()
    one = combine(pool.vectors[:1], [NameView(pool.names[:1])])
    assert not like_none(one, pool.vectors[:1], NOTHING, NOTHING, torch.tensor([0])).any()
