"""Which questions are worth asking next."""

import itertools
from typing import Any

import pytest
import torch

from fieldmark.agents.resolve.planning import (
    MOST_CELLS,
    GroupPlanner,
    PairPlanner,
    PlanView,
    TablePlanner,
    pair_need,
    rival_groups,
)
from fieldmark.agents.shared.notes import Note
from fieldmark.prompts.tabulate import MAX_ATTRIBUTES
from fieldmark.records import QuestionSpec

CLASSES = ("finch", "heron", "gull", "wren", "crane", "robin")


def view(
    weights: Any, *, notes: tuple[Note, ...] = (), columns: tuple[str, ...] = (), **given: Any
) -> PlanView:
    tensor = torch.as_tensor(weights, dtype=torch.float32)
    count = tensor.shape[1]
    values: dict[str, Any] = {
        "classes": CLASSES[:count],
        "weights": tensor,
        "columns": columns,
        "columns_hash": "c" * 64 if columns else "",
        "counts": torch.ones(count, len(columns)),
        "doubt": torch.zeros(count, len(columns)),
        "alike": torch.zeros(count, count, dtype=torch.bool),
        "notes": notes,
        "group_size": 3,
    }
    return PlanView(**(values | given))


def asked(*specs: QuestionSpec, failure: Any = None) -> tuple[Note, ...]:
    return tuple(Note(spec=spec, failure=failure) for spec in specs)


# ---------------------------------------------------------------- need


def test_the_need_of_a_pair_is_the_images_that_waver_between_its_classes() -> None:
    need = pair_need(torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.2, 0.8]]))
    expected = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 2 * 0.16**0.5], [0.0, 2 * 0.16**0.5, 0.0]])
    torch.testing.assert_close(need, expected)


def test_no_open_image_needs_nothing() -> None:
    assert pair_need(torch.zeros(0, 4)).sum() == 0
    assert rival_groups(torch.zeros(4, 4), size=3, most=2) == []


def test_groups_take_the_neediest_pairs_first_and_never_share_one() -> None:
    need = torch.zeros(6, 6)
    for a, b, images in [(0, 1, 9.0), (1, 2, 4.0), (0, 2, 3.0), (3, 4, 8.0), (2, 3, 2.0), (4, 5, 0.4)]:
        need[a, b] = need[b, a] = images
    groups = rival_groups(need, size=3, most=9)
    assert groups == [([0, 1, 2], 16.0), ([2, 3, 4], 10.0)]
    pairs = [pair for members, _ in groups for pair in itertools.combinations(members, 2)]
    assert len(pairs) == len(set(pairs))
    assert rival_groups(need, size=3, most=1) == groups[:1]
    assert rival_groups(need, size=2, most=9)[0] == ([0, 1], 9.0)


def test_a_group_must_concern_enough_images_and_so_must_each_further_class() -> None:
    need = torch.zeros(4, 4)
    need[0, 1] = need[1, 0] = 0.9
    assert rival_groups(need, size=3, most=9) == []
    need[0, 1] = need[1, 0] = 1.0
    need[1, 2] = need[2, 1] = 0.4
    assert rival_groups(need, size=3, most=9) == [([0, 1], 1.0)]


# ---------------------------------------------------------------- pairs


def test_pairs_come_most_needed_first_and_each_once() -> None:
    # 0-1 are together in three images, 1-2 in one; 3 is nobody's rival.
    weights = [[0.6, 0.4, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.4, 0.4, 0]]
    plan = PairPlanner().plan(view(weights))
    assert [(spec.kind, spec.classes, spec.need) for spec in plan] == [
        ("pair", ("finch", "heron"), 3.0),
        ("pair", ("finch", "gull"), 1.0),
        ("pair", ("heron", "gull"), 1.0),
    ]


@pytest.mark.parametrize("failure", [None, "question"])
def test_a_pair_is_not_asked_again_also_where_it_failed(failure: Any) -> None:
    weights = [[0.6, 0.4, 0], [0.2, 0.4, 0.4]]
    first, *rest = PairPlanner().plan(view(weights))
    assert PairPlanner().plan(view(weights, notes=asked(first, failure=failure))) == tuple(rest)
    assert PairPlanner().plan(view(weights, notes=asked(first, *rest))) == ()


# ---------------------------------------------------------------- groups

WAVERING = [[0.5, 0.5, 0, 0, 0, 0]] * 4 + [[0, 0, 0.5, 0.5, 0, 0]] * 3 + [[0, 0, 0, 0, 0.5, 0.5]] * 2


@pytest.mark.parametrize("planner", [GroupPlanner(), TablePlanner()])
def test_the_first_questions_are_about_the_most_confused_rivals(planner: Any) -> None:
    plan = planner.plan(view(WAVERING, group_size=2))
    assert [(spec.kind, spec.classes, spec.need) for spec in plan] == [
        ("group", ("finch", "heron"), 4.0),
        ("group", ("gull", "wren"), 3.0),
        ("group", ("crane", "robin"), 2.0),
    ]
    assert all(spec.attributes == () and spec.material == "" for spec in plan)


def test_groups_that_were_asked_are_asked_for_other_attributes_once_some_are_known() -> None:
    first = GroupPlanner().plan(view(WAVERING, group_size=2))
    assert GroupPlanner().plan(view(WAVERING, group_size=2, notes=asked(*first))) == ()
    again = GroupPlanner().plan(view(WAVERING, group_size=2, notes=asked(*first), columns=("bill",)))
    assert {(spec.kind, spec.attributes) for spec in again} == {("again", ("bill",))}
    later = view(WAVERING, group_size=2, notes=asked(*first, *again), columns=("bill",))
    assert GroupPlanner().plan(later) == ()


@pytest.mark.parametrize("planner", [GroupPlanner(), TablePlanner()])
@pytest.mark.parametrize("rivals", [2, 3, 6])
def test_a_single_image_gets_a_first_question(planner: Any, rivals: int) -> None:
    """No pair concerns a whole image, and still it is worth a question."""
    plan = planner.plan(view([[1 / rivals] * rivals + [0] * (6 - rivals)]))
    assert plan
    assert plan[0].kind == "group"
    assert set(plan[0].classes) <= set(CLASSES[:rivals])


# ---------------------------------------------------------------- the table


def counts(*rows: str) -> torch.Tensor:
    """Votes, a digit a cell."""
    return torch.tensor([[float(cell) for cell in row] for row in rows])


def test_rows_with_empty_cells_are_filled_next_those_of_most_images_first() -> None:
    weights = [[0.6, 0.3, 0.1], [0.9, 0.1, 0.0], [0.5, 0.0, 0.5]]
    plan = TablePlanner().plan(view(weights, columns=("bill", "tail"), counts=counts("10", "00", "11")))
    assert [(spec.kind, spec.classes, spec.attributes) for spec in plan] == [
        ("tabulate", ("heron",), ("bill", "tail")),
        ("tabulate", ("finch",), ("tail",)),
    ]
    assert {spec.material for spec in plan} == {"c" * 64}
    assert {spec.sample for spec in plan} == {0}


def test_a_class_that_no_open_image_may_be_is_not_asked_about() -> None:
    plan = TablePlanner().plan(view([[0.5, 0.5, 0.0]] * 3, columns=("bill",), counts=counts("0", "1", "0")))
    assert [spec.classes for spec in plan] == [("finch",)]


def test_a_cell_that_was_asked_for_in_vain_is_not_asked_for_again() -> None:
    empty = counts("0", "1")
    (row,) = TablePlanner().plan(view([[0.5, 0.5]] * 3, columns=("bill",), counts=empty))
    plan = TablePlanner().plan(
        view([[0.5, 0.5]] * 3, columns=("bill",), counts=empty, notes=asked(row, failure="question"))
    )
    assert [spec.kind for spec in plan] == ["again"]


def test_a_full_table_is_mended_where_the_images_contradict_it() -> None:
    doubt = torch.tensor([[0.9, 0.1], [0.1, 0.1]])
    full = view([[0.5, 0.5]] * 3, columns=("bill", "tail"), doubt=doubt)
    plan = TablePlanner(doubt_floor=0.5).plan(full)
    assert {(spec.kind, spec.classes) for spec in plan} == {
        ("tabulate", ("finch",)),
        ("again", ("finch", "heron")),
    }
    mended = next(spec for spec in plan if spec.kind == "tabulate")
    assert mended.attributes == ("bill",)
    needs = [spec.need for spec in plan]
    assert needs == sorted(needs, reverse=True)


def test_opinions_on_one_cell_are_fresh_samples_and_come_to_an_end() -> None:
    doubt = torch.tensor([[0.9], [0.0]])
    planner = TablePlanner(opinions=3, doubt_floor=0.5)
    notes: tuple[Note, ...] = ()
    samples: list[int] = []
    for _ in range(6):
        plan = planner.plan(view([[0.5, 0.5]] * 3, columns=("bill",), doubt=doubt, notes=notes))
        samples += [spec.sample for spec in plan if spec.kind == "tabulate"]
        notes += asked(*plan)
    assert samples == [0, 1, 2]


def test_a_row_longer_than_a_question_holds_is_asked_in_parts_one_a_round() -> None:
    """A run may ask no more than it foretold: once about each class in each later round."""
    assert MOST_CELLS <= MAX_ATTRIBUTES
    columns = tuple(f"part {n}" for n in range(2 * MOST_CELLS + 5))
    notes: tuple[Note, ...] = ()
    filled: dict[str, list[str]] = {name: [] for name in CLASSES[:3]}
    for size in (MOST_CELLS, MOST_CELLS, 5):
        counts = torch.tensor([[float(c in filled[name]) for c in columns] for name in CLASSES[:3]])
        plan = TablePlanner().plan(
            view(torch.full((9, 3), 1 / 3), columns=columns, counts=counts, notes=notes)
        )
        assert sorted(spec.classes for spec in plan) == sorted((name,) for name in CLASSES[:3])
        assert [len(spec.attributes) for spec in plan] == [size] * 3
        for spec in plan:
            filled[spec.classes[0]] += spec.attributes
        notes += asked(*plan)
    assert all(sorted(got) == sorted(columns) for got in filled.values())


@pytest.mark.parametrize("planner", [PairPlanner(), GroupPlanner(), TablePlanner()])
def test_the_same_view_gives_the_same_plan_and_nothing_open_gives_none(planner: Any) -> None:
    weights = torch.rand(40, 6, generator=torch.Generator().manual_seed(1))
    assert planner.plan(view(weights)) == planner.plan(view(weights.clone()))
    assert planner.plan(view(torch.zeros(0, 6))) == ()
    assert planner.plan(view(torch.zeros(0, 6), columns=("bill",))) == ()


def test_without_second_opinions_only_rivals_with_like_rows_are_asked_about() -> None:
    planner = TablePlanner(second_opinions=False)
    torn = [[0.5, 0.5, 0.0, 0.0]] * 4 + [[0.0, 0.0, 0.5, 0.5]] * 4
    doubt = torch.ones(4, 1)
    assert planner.plan(view(torn, columns=("bill",), doubt=doubt)) == ()
    alike = torch.zeros(4, 4, dtype=torch.bool)
    alike[2, 3] = alike[3, 2] = True
    (spec,) = planner.plan(view(torn, columns=("bill",), doubt=doubt, alike=alike))
    assert spec.kind == "again"
    assert set(spec.classes) == {"gull", "wren"}
