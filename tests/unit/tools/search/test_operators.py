"""What the operators propose: fitting edits, within bounds, the same from the same seed."""

from random import Random

import numpy as np
import pytest

from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu, part_key
from fieldmark.tools.search.operators import (
    OPERATORS,
    Add,
    Crossover,
    Mutate,
    Operator,
    Remove,
    Replace,
    allowed,
    below,
    drawn,
    fitting,
    random_sets,
)

SLOTS = ((0, 1, 2, 3), (4, 5, 6), (7,))
MENU = PromptMenu(SLOTS, [part_key(str(part)) for part in range(8)], least=1, most=3)
PARENTS = tuple(
    PromptCandidate(parts, MENU.key(parts)) for parts in ((0, 1, 4, 7), (0, 2, 4, 5, 7), (3, 4, 6, 7))
)


def edits(
    operator: Operator, parents: tuple[PromptCandidate, ...] = PARENTS, menu: PromptMenu = MENU
) -> list[PromptEdit]:
    return list(operator(parents, menu, Random(7)))


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: type(operator).__name__)
def test_every_edit_fits_its_parent_and_stays_within_bounds(operator: Operator) -> None:
    made = edits(operator)
    assert made
    assert made == edits(operator)
    for edit in made:
        parent = PARENTS[edit.parent]
        assert set(edit.removed) <= set(parent.parts)
        assert not set(edit.added) & set(parent.parts)
        child = edit.applied(parent.parts)
        assert all(1 <= size <= 3 for size in MENU.sizes(child))


def test_add_remove_and_replace_change_one_part() -> None:
    assert {(len(e.added), len(e.removed)) for e in edits(Add())} == {(1, 0)}
    assert {(len(e.added), len(e.removed)) for e in edits(Remove())} == {(0, 1)}
    replaced = edits(Replace(each=40))
    assert {(len(e.added), len(e.removed)) for e in replaced} == {(1, 1)}
    assert all(MENU.slot_of[e.added[0]] == MENU.slot_of[e.removed[0]] for e in replaced)


def test_nothing_is_proposed_where_nothing_is_possible() -> None:
    alone = (PromptCandidate((7,), 0),)
    menu = PromptMenu(((7,),), MENU.keys)
    assert edits(Add(), alone, menu) == []
    assert edits(Remove(), alone, menu) == []
    assert edits(Replace(), alone, menu) == []
    assert edits(Crossover(), alone, menu) == []


def test_crossover_keeps_what_all_parents_hold() -> None:
    for edit in edits(Crossover(count=60)):
        child = set(edit.applied(PARENTS[0].parts))
        assert {4, 7} <= child
        assert child <= {0, 1, 2, 3, 4, 5, 6, 7}


def test_mutation_draws_sparse_and_dense_sets() -> None:
    slot = tuple(range(100))
    menu = PromptMenu((slot,), [0] * 100, least=1, most=100)
    sizes = random_sets(80, menu, Random(0)).sum(1)
    assert sizes.min() < 25
    assert sizes.max() > 75
    small = PromptMenu((slot[:60], (), (60,), slot[61:]), [0] * 100, least=2, most=4)
    sets = random_sets(20, small, Random(0))
    assert sets.shape == (20, 100)
    for start, end in ((0, 60), (61, 100)):
        assert all(2 <= size <= 4 for size in sets[:, start:end].sum(1))
    assert sets[:, 60].all()  # the only part of its slot
    assert random_sets(3, PromptMenu(((), ()), []), Random(0)).shape == (3, 0)
    assert all(edit.by == "mutate" for edit in edits(Mutate()))


def test_a_mutation_of_slots_in_any_order_is_the_set_it_draws() -> None:
    slots = ((9, 2, 5, 7), (), (4, 0, 8))
    menu = PromptMenu(slots, [part_key(str(part)) for part in range(12)], least=1, most=3)
    parent = PromptCandidate((2, 8, 11), 0)  # no slot lists the last one: every fresh set is without it
    for edit in Mutate(30)((parent,), menu, Random(4)):
        child = set(edit.applied(parent.parts))
        assert all(1 <= len(child & set(slot)) <= 3 for slot in slots if slot)
        assert child <= {part for slot in slots for part in slot}
        assert list(edit.added) == sorted(edit.added)


def test_a_menu_without_parts_has_one_mutation() -> None:
    assert {
        edit[1:3] for edit in Mutate(3)((PromptCandidate((), 0),), PromptMenu(((), ()), []), Random(1))
    } == {((), ())}


def test_heavier_items_are_drawn_more_often() -> None:
    counts = [2] * 3000
    sets = drawn(np.array([1, 3, 1, 3]), counts, Random(2))
    assert sets.sum(1).tolist() == counts
    often = sets.mean(0)
    # Two of four without putting back: by hand 1/8 + 6/8·1/5 + 1/8·1/7 = 0.293 for weight 1.
    assert np.allclose(often, [0.293, 0.707, 0.293, 0.707], atol=0.03)
    assert drawn(np.array([1, 1]), [0, 2], Random(0)).tolist() == [[False, False], [True, True]]


def test_a_change_fits_if_no_slot_gets_too_full_or_too_empty() -> None:
    slots = np.array([0, 0, 1, 1])
    put = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.bool_)
    taken = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]], dtype=np.bool_)
    menu = PromptMenu(((0, 1, 2, 3), (4, 5, 6)), [0] * 7, least=1, most=3)
    assert fitting(put, taken, slots, [2, 2], menu).tolist() == [False, True, False, True]
    # A slot that is too full as it is hinders nobody who leaves it alone.
    assert fitting(put, taken, slots, [2, 4], menu).tolist() == [False, True, True, True]
    swap, gone = np.array([[1, 0, 0, 0]], dtype=np.bool_), np.array([[0, 1, 0, 0]], dtype=np.bool_)
    assert fitting(swap, gone, slots, [3, 2], menu).tolist() == [True]


def test_crossover_of_full_parents_swaps_parts_in() -> None:
    menu = PromptMenu((tuple(range(8)),), [part_key(str(part)) for part in range(8)], least=1, most=3)
    full = tuple(PromptCandidate(parts, menu.key(parts)) for parts in ((0, 1, 2), (0, 3, 4), (0, 5, 6)))
    made = edits(Crossover(count=60), full, menu)
    children = {edit.applied(full[0].parts) for edit in made}
    assert any(len(child) == 3 and set(child) - {0, 1, 2} for child in children)
    assert {part for child in children for part in child} == {0, 1, 2, 3, 4, 5, 6}
    assert all(0 in child and 1 <= len(child) <= 3 for child in children)


def test_of_a_change_that_goes_too_far_as_much_is_left_as_fits() -> None:
    menu = PromptMenu(((0, 1, 2, 3, 4), (5, 6)), [0] * 8, least=1, most=2)
    for seed in range(20):
        put, taken = allowed((2, 3, 4), (0,), [2, 1], menu, Random(seed))
        assert (len(put), taken) == (1, (0,))
        # One of the two may go where nothing comes; what no slot lists comes and goes freely.
        put, taken = allowed((7,), (0, 1, 5), [2, 1], menu, Random(seed))
        assert (put, len(taken)) == ((7,), 1)
        assert allowed((6,), (5,), [2, 1], menu, Random(seed)) == ((6,), (5,))
    drawn_parts = {allowed((2, 3, 4), (0,), [2, 1], menu, Random(seed))[0] for seed in range(20)}
    assert drawn_parts == {(2,), (3,), (4,)}


def test_a_number_below_is_what_random_draws() -> None:
    one, other = Random(3), Random(3)
    assert [below(n, one) for n in range(1, 200)] == [other.randrange(n) for n in range(1, 200)]


def test_an_edit_takes_a_part_that_stands_twice_out_once() -> None:
    assert PromptEdit(0, (3, 3), (1, 2), "").applied((1, 1, 2, 5)) == (1, 3, 3, 5)


def test_keys_do_not_depend_on_the_way() -> None:
    one = MENU.key(PromptEdit(0, (1,), (4,), "").applied((0, 4)))
    other = MENU.key(PromptEdit(0, (0,), (5,), "").applied((1, 5)))
    assert one == other == MENU.key((0, 1))
    assert MENU.key((0, 0)) != MENU.key((0,))
    assert len(PromptCandidate((0,), MENU.key((0,))).id) == 16
