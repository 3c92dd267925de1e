"""How sure labels are: sizes of groups and the agreement of single images say it, and a few labels do."""

import pytest
import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.sureness import (
    Crowding,
    Sureness,
    after_labels,
    agreement,
    crowding,
    sureness,
)

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


def sure_of(
    top: Tensor, label: Tensor, crowded: Crowding, *, by_votes: float = 1.0, own: Tensor | None = None
) -> Sureness:
    votes = torch.full((len(top),), by_votes)
    own = label if own is None else own
    return sureness(top, label, own=own, by_votes=votes, crowded=crowded, votes_accuracy=0.5)


LABEL = torch.arange(10).repeat_interleave(20)
EVEN = crowding(sizes(*[20] * 10), UNKNOWN)


def test_labels_of_a_crowded_group_are_doubtful_even_where_the_evidence_is_sure() -> None:
    crowded = crowding(sizes(40, 0, *[20] * 8), UNKNOWN)
    found = sure_of(torch.full((200,), 0.99), LABEL, crowded).confidence
    assert float(found[LABEL == 0].max()) < 0.8 < 0.85 < float(found[LABEL == 5].min())


def test_confidence_rises_to_the_accuracy_that_even_sizes_betray_and_not_without_trust() -> None:
    top = torch.full((200,), 0.8)
    untrusted = Crowding(beyond=EVEN.beyond, trust=0.0)
    assert float(sure_of(top, LABEL, untrusted).confidence.max()) <= 0.8
    assert float(sure_of(top, LABEL, EVEN).confidence.min()) > 0.85


def test_confidence_falls_to_the_share_of_images_that_agree_with_their_group_beyond_chance() -> None:
    own = torch.where(torch.arange(200) % 2 == 0, LABEL, (LABEL + torch.arange(200)) % 10)
    agreed = agreement(own, LABEL, torch.ones(200))
    assert 0.3 < agreed < float((own == LABEL).float().mean())
    found = sure_of(torch.full((200,), 0.6), LABEL, EVEN, own=own).confidence
    assert float(found.mean()) == pytest.approx(max(agreed, 0.4762), abs=0.01)  # at most .5 of log-odds


def test_images_that_agree_no_more_than_by_chance_have_no_agreement() -> None:
    own = torch.randint(10, (4000,), generator=torch.Generator().manual_seed(3))
    assert agreement(own, torch.arange(4000) % 10, torch.ones(4000)) < 0.02
    assert agreement(LABEL, LABEL, torch.ones(200)) == pytest.approx(1.0)
    assert (
        agreement(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0)) <= 0
    )


def test_a_label_by_its_known_name_is_left_as_it_is() -> None:
    top = torch.linspace(0.3, 0.999, 200)
    even = crowding(sizes(*[20] * 10), torch.ones(10))
    found = sure_of(top, LABEL, even, by_votes=0.0)
    assert torch.allclose(found.confidence, top)
    assert torch.allclose(found.certainty, top)


def test_labels_by_votes_are_less_certain_than_they_are_confident() -> None:
    found = sure_of(torch.full((200,), 0.9), LABEL, EVEN)
    assert bool((found.certainty < found.confidence).all())


def test_labels_of_other_images_leave_sureness_as_it_was_and_lower_it_only_where_they_contradict() -> None:
    label = torch.tensor([0, 1, 2, 2, 0])
    stays = torch.tensor([True, True, True, False, False])
    found = after_labels(
        torch.full((5,), 0.8),
        torch.tensor([0.6, 0.6, 0.6, 0.6, 0.9]),
        stays=stays,
        label=label,
        named=torch.tensor([True, False, False]),
        contradicted=torch.tensor([False, True, False]),
    )
    assert torch.allclose(found, torch.tensor([0.8, 0.6, 0.8, 0.6, 0.9]))
