"""Edits by suggestion, the confusions they answer, and operators found by name."""

from pathlib import Path
from random import Random

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.search.candidates import PromptCandidate, PromptMenu, part_key
from fieldmark.tools.search.confusions import confused_sets, count_confusions
from fieldmark.tools.search.named import operators_named
from fieldmark.tools.search.operators import Add, Replace
from fieldmark.tools.search.reflect import REFLECT, Reflect, Suggested

MENU = PromptMenu(
    ((0, 1, 2, 3), (4, 5, 6), (7,)), [part_key(str(part)) for part in range(8)], least=1, most=2
)
PARENTS = tuple(PromptCandidate(parts, MENU.key(parts)) for parts in ((0, 1, 4, 7), (0, 4, 7)))


def test_edits_use_what_was_suggested_beside_or_in_place_of_what_was_criticised() -> None:
    operator = Reflect((Suggested((2, 3), (1,)), Suggested((5,))), each=60)
    edits = list(operator(PARENTS, MENU, Random(1)))
    assert edits == list(operator(PARENTS, MENU, Random(1)))
    assert {part for edit in edits for part in edit.added} == {2, 3, 5}
    assert {edit.by for edit in edits} == {REFLECT}
    for edit in edits:
        parent = PARENTS[edit.parent]
        assert set(edit.removed) <= set(parent.parts) & {1}
        assert all(1 <= size <= 2 for size in MENU.sizes(edit.applied(parent.parts)))
    # The first class of the first parent is full: there, what is new must take a criticised one's place.
    assert {edit.removed for edit in edits if edit.parent == 0 and edit.added != (5,)} == {(1,)}
    assert {edit.removed for edit in edits if edit.parent == 1} == {()}


def test_nothing_is_proposed_where_nothing_was_suggested_or_all_is_held() -> None:
    assert list(Reflect(())(PARENTS, MENU, Random(1))) == []
    assert list(Reflect((Suggested(()),))(PARENTS, MENU, Random(1))) == []
    assert list(Reflect((Suggested((7,)),))(PARENTS, MENU, Random(1))) == []


def test_confusions_are_counted_by_class_and_the_worst_come_first() -> None:
    logits = torch.tensor(
        [[2.0, 0, 0, 0, 0], [1, 3, 0, 0, 0], [0, 0, 5, 4, 0], [0, 0, 4, 5, 0], [0, 0, 0, 0, 9]]
    ).double()
    labels = torch.tensor([0, 0, 2, 3, 4])
    found = count_confusions(logits, labels)
    assert found.images.tolist() == [2, 0, 1, 1, 1]
    assert int(found.wrong.sum()) == int(found.wrong[0, 1]) == 1
    own = torch.softmax(logits[:2], 1)[:, 1].mean()
    assert float(found.share[0, 1]) == pytest.approx(float(own))
    assert float(found.share.diagonal().sum()) == 0
    groups = confused_sets(found, size=2)
    assert [tuple(sorted(group)) for group in groups[:2]] == [(0, 1), (2, 3)]
    members = [c for group in groups for c in group]
    assert len(members) == len(set(members))


def test_a_group_takes_in_whoever_is_confused_nearly_as_much() -> None:
    logits = torch.tensor(
        [[3.0, 2.9, 2.8, -9], [2.9, 3, 2.8, -9], [2.8, 2.9, 3, -9], [-9, -9, -9, 9]]
    ).double()
    found = count_confusions(logits, torch.arange(4))
    assert set(confused_sets(found, size=4)[0]) == {0, 1, 2}
    assert len(confused_sets(found, size=2)[0]) == 2
    assert confused_sets(count_confusions(torch.zeros(1, 1), torch.tensor([0])), size=2) == []


OWN = """from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Own:
    each: int = 3

    def __call__(self, parents, menu, rng):
        yield self.each
"""


def test_operators_are_found_by_name(tmp_path: Path) -> None:
    assert operators_named(("add", REFLECT, "replace")) == (Add(), Replace())
    (tmp_path / "own.py").write_text(OWN)
    (own,) = operators_named((f"{tmp_path / 'own.py'}:Own",))
    assert list(own(PARENTS, MENU, Random(1))) == [3]
    assert operators_named(("fieldmark.tools.search.operators:Add",)) == (Add(),)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("swap", "no operator 'swap'"),
        ("none_such:Swap", "ModuleNotFoundError"),
        ("none_such.py:Swap", "could not be loaded"),
        ("fieldmark.tools.search.operators:Nope", "AttributeError"),
        ("fieldmark.tools.search.reflect:Reflect", "TypeError"),
        ("builtins:object", "cannot be called"),
        ("json:", "no operator"),
    ],
)
def test_what_is_no_operator_is_said(name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        operators_named((name,))
