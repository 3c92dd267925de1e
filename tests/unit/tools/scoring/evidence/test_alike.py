"""Images that fit no listed class: grouped by likeness, and what a group has in common."""

import pytest
import torch

from fieldmark.tools.scoring.evidence.alike import MOST_IMAGES, common_values, groups_of_like
from tests.unit.tools.scoring.evidence.made_up_pool import made_up


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_images_of_one_class_form_a_group_and_single_ones_none(seed: int) -> None:
    pool = made_up(seed=seed)
    rows = torch.cat([(pool.truth >= 9).nonzero()[:, 0], torch.tensor([0, 25])])
    groups = groups_of_like(pool.vectors, rows, pool.truth)
    assert sorted(len(set(pool.truth[group].tolist())) for group in groups) == [1, 1, 1]
    assert sum(map(len, groups)) >= 55
    assert {9, 10, 11} == {int(pool.truth[group[0]]) for group in groups}
    assert [len(group) for group in groups] == sorted(map(len, groups), reverse=True)


def test_the_most_typical_image_comes_first() -> None:
    pool = made_up(seed=11)
    rows = (pool.truth == 3).nonzero()[:, 0]
    (group,) = groups_of_like(pool.vectors, rows, pool.truth)
    centred = torch.nn.functional.normalize(pool.vectors[group] - pool.vectors.mean(0), dim=1)
    likeness = centred @ centred.mean(0)
    assert float(likeness[0]) > float(likeness.median())
    assert int(likeness.argmin()) >= len(group) // 2


@pytest.mark.parametrize("count", [0, 1])
def test_an_image_like_no_other_is_in_no_group(count: int) -> None:
    pool = made_up(seed=11)
    assert groups_of_like(pool.vectors, torch.arange(count), pool.truth) == []


def test_of_very_many_images_as_many_are_grouped_as_memory_allows() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(MOST_IMAGES + 500, 2), dim=1)
    groups = groups_of_like(vectors, torch.arange(len(vectors)), torch.zeros(len(vectors), dtype=torch.int64))
    assert 0.9 * MOST_IMAGES < sum(map(len, groups)) <= MOST_IMAGES


def test_values_that_most_of_a_group_show_and_few_others_do_are_named() -> None:
    seen = torch.zeros(12, 3, 2)
    seen[:, 0, 0] = seen[:, 1, 1] = 1.0
    seen[:4, 0] = torch.tensor([0.2, 0.8])  # shown by the group alone
    seen[3, 0] = torch.tensor([0.6, 0.4])  # but for one of it
    (found,) = common_values(seen, torch.arange(4))
    assert (found.attribute, found.value) == (0, 1)
    assert found.share == pytest.approx(0.75)
    assert found.usual == pytest.approx(0.25)
    assert common_values(seen, torch.arange(12)) == []
    assert common_values(torch.zeros(12, 3, 2), torch.arange(4)) == []
