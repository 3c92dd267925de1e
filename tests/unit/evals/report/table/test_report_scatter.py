"""Accuracy against cost: places on the axis, and what no cheaper method reaches."""

import re
from xml.etree import ElementTree

from fieldmark.evals.report.table.scatter import CostAxis, Spot, frontier, scatter
from tests.unit.evals.report.checked_page import CheckedPage


def spot(name: str, cost: int, value: float) -> Spot:
    return Spot(name, cost, value, "alike")


def test_cost_is_logarithmic_and_zero_has_its_own_place() -> None:
    axis = CostAxis.around([0, 20, 900])
    assert (axis.zero, axis.low, axis.high, axis.ticks) == (True, 1, 3, [0, 10, 100, 1000])
    # From 14% to 97% of the width in two powers of ten; 0 at 3%.
    assert [axis.at(cost) for cost in axis.ticks] == [3, 14, 55.5, 97]
    whole = CostAxis.around([1, 10])
    assert whole.ticks == [1, 10] and whole.at(1) == 3 and whole.at(10) == 97
    assert CostAxis.around([7]).ticks == [1, 10] and CostAxis.around([100]).ticks == [100, 1000]


def test_frontier_rises_with_cost() -> None:
    spots = [spot("dear", 9, 0.7), spot("equal", 5, 0.5), spot("cheap", 1, 0.5), spot("worse", 3, 0.4)]
    spots += [spot("best", 9, 0.8), spot("free", 0, 0.1)]
    assert [each.name for each in frontier(spots)] == ["free", "cheap", "best"]
    assert frontier([]) == []


def test_spots_lie_where_their_figures_say() -> None:
    drawn = scatter([spot("a", 10, 0.25), spot("b", 1000, 0.5)], title="<t>")
    assert drawn is not None
    page = CheckedPage(drawn.plot)
    assert page.attributes("circle", "cx") == ["3%", "97%"]
    # The axis is from 25% to 50%: 240 pixels below a margin of 20.
    assert page.attributes("circle", "cy") == ["260.0", "20.0"]
    assert "a: 25.0% for 10" in page.text and page.attributes("svg", "aria-label") == ["<t>"]
    steps = re.findall(r'x1="([^"]+)" x2="([^"]+)" y1="([^"]+)" y2="([^"]+)" class="frontier"', drawn.plot)
    assert steps == [
        ("3%", "97%", "260.0", "260.0"),
        ("97%", "97%", "260.0", "20.0"),
        ("97%", "100%", "20.0", "20.0"),
    ]


def test_a_spot_without_room_for_its_name_has_a_number() -> None:
    near = [spot("first", 1, 0.500), spot("second", 2, 0.501), spot("third", 3, 0.9), spot("dear", 3, 0.2)]
    drawn = scatter(near, title="t")
    assert drawn is not None
    page = CheckedPage(drawn.plot)
    assert "first: 50.0% for 1" in page.text and "second: 50.1% for 2" in page.text
    assert {number: each.name for number, each in drawn.numbers.items()} == {1: "first", 2: "dear"}
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.plot)
    assert {"second", "third", "1", "2"} <= set(words) and "first" not in words
    assert "1  first: 50.0% for 1" in drawn.alone and "2  dear: 20.0% for 3" in drawn.alone


def test_numbers_of_spots_in_one_place_stand_together() -> None:
    drawn = scatter([*(spot(name, 9, 0.2) for name in "abc"), spot("best", 1, 0.9)], title="t")
    assert drawn is not None
    assert ">1, 2, 3</text>" in drawn.plot


def test_a_plot_as_a_file_stands_alone() -> None:
    drawn = scatter([spot("a & b", 10, 0.25)], title="a & b")
    assert drawn is not None
    root = ElementTree.fromstring(drawn.alone)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in drawn.alone and ".spot" in drawn.alone


def test_nothing_to_draw_where_nothing_costs() -> None:
    assert scatter([spot("a", 0, 0.5)], title="t") is None
    assert scatter([], title="t") is None


def test_names_are_data() -> None:
    page = CheckedPage(getattr(scatter([spot("<b>\x00</b>", 3, 0.5)], title="t"), "plot", ""))
    assert page.count("b") == 0 and "<b>\ufffd</b>: 50.0% for 3" in page.text
