"""Which classes the evidence leaves an image."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.sure import classes_left

OPTIONS = ResolveOptions(rule="evidence")


def found(**changed: Any) -> Any:
    """Two images of three classes: one sure of class 0, one torn between 1 and 2."""
    p = torch.tensor([[0.98, 0.01, 0.01], [0.1, 0.5, 0.4]])
    given = {"certainty": torch.tensor([0.98, 0.5]), "known": torch.ones(3), "fit": torch.zeros(2)} | changed
    evidence = SimpleNamespace(
        log_p=p.log(),
        sureness=SimpleNamespace(certainty=given["certainty"]),
        names=SimpleNamespace(known=given["known"]),
    )
    return SimpleNamespace(
        evidence=evidence,
        fit=given["fit"],
        unlisted=given.get("unlisted", torch.zeros(2)),
        told_none=given.get("told_none", torch.zeros(2, dtype=torch.bool)),
    )


KEPT = torch.tensor([[True, True, True], [False, True, False]])


def test_a_sure_image_keeps_its_label_and_another_its_two_best() -> None:
    left = classes_left(found(), KEPT, None, OPTIONS)
    assert left.tolist() == [[True, False, False], [False, True, True]]


def test_a_sure_image_stays_open_while_an_unknown_class_has_no_row() -> None:
    undescribed = torch.tensor([False, False, True])
    left = classes_left(found(known=torch.tensor([0.1, 0.1, 0.1])), KEPT, undescribed, OPTIONS)
    assert left.tolist() == [[True, True, True], [False, True, True]]
    known = classes_left(found(known=torch.tensor([0.9, 0.1, 0.1])), KEPT, undescribed, OPTIONS)
    assert known[0].tolist() == [True, False, False]


@pytest.mark.parametrize(("reject", "left"), [(0.02, [False, False, False]), (0.0, [True, False, False])])
def test_an_image_that_fits_no_class_is_left_none(reject: float, left: list[bool]) -> None:
    bad = found(fit=torch.tensor([-9.0, 0.0]), unlisted=torch.tensor([0.99, 0.0]))
    options = ResolveOptions(rule="evidence", reject=reject)
    assert classes_left(bad, KEPT, None, options)[0].tolist() == left


def test_an_image_that_may_be_of_no_class_is_not_resolved() -> None:
    doubtful = found(fit=torch.tensor([-2.0, 0.0]), unlisted=torch.tensor([0.2, 0.0]))
    assert int(classes_left(doubtful, KEPT, None, OPTIONS)[0].sum()) == 3


@pytest.mark.parametrize(("reject", "left"), [(0.02, 0), (0.0, 1)])
def test_what_is_like_an_image_of_no_class_is_rejected(reject: float, left: int) -> None:
    told = found(told_none=torch.tensor([True, False]))
    options = ResolveOptions(rule="evidence", reject=reject)
    assert int(classes_left(told, KEPT, None, options)[0].sum()) == left
