"""Edits as arrays: the same keys, signs and parts as the edits one by one."""

from random import Random

import numpy as np

from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu, part_key
from fieldmark.tools.search.changes import Changes
from fieldmark.tools.search.operators import OPERATORS

MENU = PromptMenu((tuple(range(20)), tuple(range(20, 30))), [part_key(str(part)) for part in range(30)])
PARENTS = tuple(PromptCandidate(parts, MENU.key(parts)) for parts in ((0, 4, 9, 21), (1, 4, 20, 29)))
EDITS = [
    PromptEdit(1, (), (), "nothing"),
    *(edit for operator in OPERATORS for edit in operator(PARENTS, MENU, Random(2))),
    PromptEdit(0, (7,), (), "last"),
    PromptEdit(0, (), (), "nothing"),
]


def test_keys_are_those_of_the_edits_one_by_one() -> None:
    keys = Changes.of(EDITS).keys(MENU, [parent.key for parent in PARENTS])
    assert keys.tolist() == [MENU.key(edit.applied(PARENTS[edit.parent].parts)) for edit in EDITS]


def test_some_of_the_edits_are_laid_out_as_they_would_be_alone() -> None:
    changes, places = Changes.of(EDITS), [0, 3, 4, 40, len(EDITS) - 1]
    pairs = [
        (changes.chosen(places), Changes.of([EDITS[place] for place in places])),
        (changes.between(5, 30), Changes.of(EDITS[5:30])),
        (changes.between(0, len(EDITS)), changes),
    ]
    for some, alone in pairs:
        assert len(some) == len(alone) == len(alone.parent)
        for name in ("parent", "added", "removed", "part"):
            assert np.array_equal(getattr(some, name), getattr(alone, name))


def test_parts_put_in_come_before_those_taken_out() -> None:
    changes = Changes.of([PromptEdit(0, (1, 2), (3,), ""), PromptEdit(0, (), (4, 5), "")])
    assert changes.part.tolist() == [1, 2, 3, 4, 5]
    assert changes.sign().tolist() == [1, 1, -1, -1, -1]
    assert changes.sizes.tolist() == [3, 2]
    assert len(Changes.of([]).keys(MENU, [0])) == 0
