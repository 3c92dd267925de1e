"""Groups of alike images, and how many there are."""

import numpy as np
import torch

from fieldmark.tools.discovery.groups import find_groups
from fieldmark.tools.scoring.vectors import unit
from fieldmark.tools.statistics.partitions import adjusted_rand, contingency


def blobs(count: int, each: int, *, noise: float, seed: int = 0) -> tuple[torch.Tensor, list[int]]:
    draw = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 32, generator=draw).repeat_interleave(each, 0)
    vectors = unit(means + noise * torch.randn(count * each, 32, generator=draw))
    return vectors, [at // each for at in range(count * each)]


def test_the_number_of_groups_is_found_where_they_are_clear() -> None:
    for count in (2, 5, 12):
        vectors, truth = blobs(count, 14, noise=0.2)
        found = find_groups(vectors)
        assert count <= len(found.typical) <= count + count // 4 + 1  # rather one too many than too few
        assert adjusted_rand(contingency(found.number.tolist(), truth)) > 0.9


def test_a_given_number_is_kept_and_each_image_is_in_one_group() -> None:
    vectors, _ = blobs(5, 8, noise=0.5)
    found = find_groups(vectors, 7)
    assert len(found.typical) == 7
    assert sorted(torch.cat(found.typical).tolist()) == list(range(40))
    assert [len(own) for own in found.typical] == sorted((len(own) for own in found.typical), reverse=True)
    for group, own in enumerate(found.typical):
        assert set(found.number[own].tolist()) == {group}


def test_the_most_typical_image_comes_first() -> None:
    vectors, _ = blobs(3, 20, noise=0.3)
    odd = unit(vectors[0] + 1.2 * vectors[20])
    found = find_groups(torch.cat([vectors, odd[None]]), 3)
    own = next(group.tolist() for group in found.typical if 60 in group)
    assert own[-1] == 60


def test_few_images_are_one_group() -> None:
    assert [sorted(own.tolist()) for own in find_groups(torch.eye(3)).typical] == [[0, 1, 2]]
    assert len(find_groups(torch.eye(3), 2).typical) == 2
    assert len(find_groups(torch.eye(1)).typical) == 1


def test_adjusted_rand_by_hand() -> None:
    # Hubert & Arabie's index of {0,0,1,1} against {0,0,1,2}: (1 - 2*1/6) / ((2+1)/2 - 2*1/6) = 4/7.
    assert np.isclose(adjusted_rand(contingency([0, 0, 1, 1], ["a", "a", "b", "c"])), 4 / 7)
    assert adjusted_rand(contingency([0, 1, 2], [2, 0, 1])) == 1.0
    assert adjusted_rand(contingency([0, 0, 0], [1, 1, 1])) == 1.0
    assert abs(adjusted_rand(contingency([0, 0, 1, 1], [0, 1, 0, 1])) + 0.5) < 1e-9
