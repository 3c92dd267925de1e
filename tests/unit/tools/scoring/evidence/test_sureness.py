"""Groups that are larger than usual make their label doubtful, where classes have about as many images."""

import pytest
import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.sureness import Crowding, crowding, sureness

UNKNOWN = torch.zeros(10)


def sizes(*given: float) -> Tensor:
    return torch.tensor(given, dtype=torch.float32)


def test_groups_of_about_one_size_hold_nothing_beyond_it() -> None:
    found = crowding(sizes(*[20] * 10), UNKNOWN)
    assert torch.equal(found.beyond, torch.zeros(10))
    assert found.trust == 1.0


def test_a_group_with_the_images_of_another_class_is_half_beyond_the_usual_size() -> None:
    found = crowding(sizes(40, 0, *[20] * 8), UNKNOWN)
    assert found.beyond[0] == pytest.approx(0.5)
    assert not found.beyond[1:].any()


def test_a_large_group_is_no_sign_where_no_class_lacks_images() -> None:
    assert float(crowding(sizes(40, *[20] * 9), UNKNOWN).beyond.max()) == 0


def test_absent_classes_make_present_ones_not_large() -> None:
    found = crowding(sizes(20, 20, 0, 0, 0, 0, 0, 0, 0, 0), UNKNOWN)
    assert not found.beyond.any()
    assert found.trust == 0.0  # and nothing says how often labels are right


def test_classes_of_known_names_that_differ_in_size_take_the_sign_away() -> None:
    uneven = sizes(60, 40, 20, 10, 5, 5, 40, 0, 20, 20)
    known = torch.tensor([1.0] * 6 + [0.0] * 4)
    assert float(crowding(uneven, UNKNOWN).beyond[6]) > 0.3
    assert float(crowding(uneven, known).beyond[6]) < 0.5 * float(crowding(uneven, UNKNOWN).beyond[6])


def test_no_image_at_all_is_no_error() -> None:
    assert not crowding(torch.zeros(3), torch.zeros(3)).beyond.any()


def sure_of(top: Tensor, label: Tensor, crowded: Crowding, *, by_votes: float = 1.0) -> Tensor:
    votes = torch.full((len(top),), by_votes)
    return sureness(top, label, by_votes=votes, crowded=crowded, votes_accuracy=0.5)


LABEL = torch.arange(10).repeat_interleave(20)


def test_labels_of_a_crowded_group_are_doubtful_even_where_the_evidence_is_sure() -> None:
    crowded = crowding(sizes(40, 0, *[20] * 8), UNKNOWN)
    found = sure_of(torch.full((200,), 0.99), LABEL, crowded)
    assert float(found[LABEL == 0].max()) < 0.8 < 0.85 < float(found[LABEL == 5].min())


def test_confidence_rises_to_the_accuracy_that_even_sizes_betray_and_not_without_trust() -> None:
    top = torch.full((200,), 0.8)
    even = crowding(sizes(*[20] * 10), UNKNOWN)
    untrusted = Crowding(beyond=even.beyond, trust=0.0)
    assert float(sure_of(top, LABEL, untrusted).max()) < 0.8 < 0.82 < float(sure_of(top, LABEL, even).min())


def test_a_label_by_its_known_name_is_left_as_it_is() -> None:
    top = torch.linspace(0.3, 0.999, 200)
    even = crowding(sizes(*[20] * 10), torch.ones(10))
    assert torch.allclose(sure_of(top, LABEL, even, by_votes=0.0), top)
