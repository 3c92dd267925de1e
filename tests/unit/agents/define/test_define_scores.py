"""Where a conversation stands: F1 on the owner's labels, and two kappas."""

import math

import pytest

from fieldmark.agents.define.scores import Agreement, Standing, agreement, dev_f1, standing
from fieldmark.records import Call, Concept, Label


def label(image: str, value: str, **more: object) -> Label:
    return Label.model_validate({"image": image, "value": value, "split": "dev", "at": "t", **more})


def test_what_cannot_be_told_is_half_right_either_way() -> None:
    labels = {"a": label("a", "in"), "b": label("b", "out"), "c": label("c", "unsure")}
    assert dev_f1(labels, {"a": "in", "b": "out", "c": "in"}) == 1.0
    # One half of a true positive and of a miss, one half of a false positive: 1 / (1 + 0.5 + 0.5).
    assert dev_f1(labels, {"a": "refused", "b": "abstain"}) == pytest.approx(0.5)
    assert dev_f1({"b": label("b", "out")}, {"b": "in"}) is None
    assert dev_f1({}, {}) is None


def test_kappa_by_hand() -> None:
    found = agreement([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1])
    assert found.kappa == pytest.approx((4 / 6 - 0.5) / 0.5)
    assert 0.2 < found.error < 0.6
    assert agreement([1, 1], [1, 1]) == Agreement(1.0, 0.0, 2)
    assert math.isnan(agreement([], []).kappa)


def test_the_owner_is_compared_on_unprimed_labels_and_with_herself_on_repeats() -> None:
    labels = [label(f"a{i}", "in" if i % 2 else "out") for i in range(8)]
    labels += [label(f"a{i}", "in", repeat=True, primed=True, at="u") for i in range(4)]
    labels += [label("b", "in", split="blind")]
    called: dict[str, Call] = {f"a{i}": "in" if i % 2 else "out" for i in range(8)}
    called["a7"] = "abstain"
    found = standing(Concept(name="x", labels=tuple(labels)), called)
    assert found.owner == Agreement(1.0, 0.0, 7), "by first labels; what cannot be told is left out"
    assert found.itself.pairs == 4
    assert found.itself.kappa == pytest.approx(0.0)
    assert found.f1 is not None
    assert found.f1 < 1, "by the latest labels"


def test_a_concept_with_labels_of_one_kind_alone_agrees_with_nobody() -> None:
    found = standing(
        Concept(name="x", labels=(label("a", "out"), label("b", "out"))), {"a": "out", "b": "out"}
    )
    assert math.isnan(found.owner.kappa)
    assert not found.agrees


@pytest.mark.parametrize(
    ("owner", "itself", "agrees"),
    [
        (Agreement(0.8, 0.05, 40), Agreement(0.84, 0.0, 10), True),
        (Agreement(0.7, 0.05, 40), Agreement(0.84, 0.1, 10), False),
        (Agreement(0.75, 0.05, 40), Agreement(0.84, 0.1, 10), True),
        (Agreement(0.8, 0.05, 40), Agreement(0.84, 0.05, 5), False),
        (Agreement(math.nan, math.nan, 40), Agreement(1.0, 0.0, 10), False),
    ],
)
def test_agreement_is_within_one_standard_error_of_the_owners_own(
    owner: Agreement, itself: Agreement, agrees: bool
) -> None:
    assert Standing(f1=0.8, owner=owner, itself=itself).agrees is agrees
