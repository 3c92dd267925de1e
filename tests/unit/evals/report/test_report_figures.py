import re

import pytest
from markupsafe import Markup

from fieldmark.evals.report import figures, words
from tests.unit.evals.report.checked_page import CheckedPage


def percents(markup: Markup, key: str) -> list[float]:
    return [float(each) for each in re.findall(rf' {key}="([\d.]+)%"', markup)]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.1, 0.769], 0.0, 0.8),
        ([-0.12, 0.31], -0.2, 0.4),
        ([0.0], 0.0, 1.0),
        ([], 0.0, 1.0),
        ([0.004, 0.009], 0.0, 0.01),
    ],
)
def test_axis_has_round_ends_around_all_values(values: list[float], low: float, high: float):
    axis = figures.Axis.around(values)
    assert (axis.low, axis.high) == pytest.approx((low, high))
    assert 0.0 in axis.ticks
    assert axis.at(low) == 0 and axis.at(high) == 100


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([1.0, 1.0], 0.95, 1.0),
        ([0.0], 0.0, 0.05),
        ([0.5, 0.52], 0.46, 0.56),
        ([0.104, 0.997], 0.0, 1.0),
        ([0.52, 0.71], 0.5, 0.75),
        ([], 0.0, 1.0),
    ],
)
def test_axis_of_shares_is_wide_enough_and_within_them(values: list[float], low: float, high: float):
    axis = figures.Axis.of_shares(values)
    assert (axis.low, axis.high) == pytest.approx((low, high))


def test_axis_keeps_what_lies_outside_at_its_ends():
    axis = figures.Axis(low=0, high=1, ticks=(0, 1))
    assert (axis.at(-3), axis.at(0.25), axis.at(7)) == (0, 25, 100)


def test_interval_places_dot_and_whisker():
    axis = figures.Axis(low=0, high=1, ticks=())
    drawn = figures.interval(0.5, (0.4, 0.75), axis)
    assert percents(drawn, "cx") == [50]
    assert percents(drawn, "x1") == [40] and percents(drawn, "x2") == [75]


def test_stacked_bar_fills_its_width_in_order():
    drawn = figures.stacked([("resolved", 1), ("open", 3), ("rejected", 0)], 4)
    assert percents(drawn, "width")[1:] == [25, 75]
    assert percents(drawn, "x") == [0, 25]
    assert "rejected" not in drawn
    assert "rect" not in figures.stacked([("open", 0)], 0)


@pytest.mark.parametrize(
    ("value", "x", "width", "kind"), [(2, 50, 50, "for"), (-1, 25, 25, "against"), (0, 50, 0, "for")]
)
def test_signed_bar_goes_both_ways(value: float, x: float, width: float, kind: str):
    drawn = figures.signed_bar(value, 2)
    assert percents(drawn, "x")[0] == x
    assert percents(drawn, "width")[1] == width
    assert f'class="{kind}"' in drawn


def test_share_stays_within_its_track():
    assert percents(figures.share(1.7), "width")[-1] == 100
    assert percents(figures.share(-1), "width")[-1] == 0


def test_matrix_tells_every_filled_cell_and_escapes_names():
    names = ('<b>"x"</b>', "wren")
    drawn = figures.matrix([(3, 1, 0), (0, 0, 2)], names, title="<what>")
    page = CheckedPage(str(drawn))
    assert page.count("title") == 3
    assert '<b>"x"</b> labelled wren: 1 of 4' in page.text
    assert "wren labelled another class: 2 of 2" in page.text
    assert page.attributes("svg", "aria-label") == ["<what>"]
    assert sorted(map(float, page.attributes("rect", "fill-opacity"))) == [0.362, 0.787, 1.0]


def test_tick_labels_say_the_unit():
    axis = figures.Axis(low=-0.2, high=0.2, ticks=(-0.2, 0.0, 0.2))
    assert CheckedPage(str(figures.tick_labels(axis, unit="", sign=True))).text == "−20 0 +20"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.short("abcdefghij", 7), "abcd…ij"),
        (words.short("abc", 3), "abc"),
        (words.count(1600.4), "1,600"),
        (words.plural(1, "class", "classes"), "1 class"),
        (words.plural(2, "class", "classes"), "2 classes"),
        (words.plural(0, "image"), "0 images"),
        (words.percent(None), "–"),
        (words.percent(0.3689), "36.9%"),
        (words.chance(0.0001), "<1%"),
        (words.chance(0.9999), ">99%"),
        (words.chance(1.0), "100%"),
        (words.chance(0.0), "0%"),
        (words.signed(-0.524), "−0.52"),
        (words.signed(1.256), "+1.26"),
        (words.signed(-0.001), "0.00"),
        (words.points(-0.121), "−12.1"),
        (words.p_value(0.0004), "< 0.001"),
        (words.p_value(0.0123), "0.012"),
        (words.p_value(0.3), "0.30"),
        (words.duration(-0.01), "0.0 s"),
        (words.duration(9.97), "10 s"),
        (words.duration(59.7), "1 min"),
        (words.duration(1985), "33 min 5 s"),
        (words.duration(7230), "2 h"),
        (words.duration(7260), "2 h 1 min"),
        (words.moment("2026-03-04T05:06:07+00:00"), "4 March 2026, 05:06 UTC"),
        (words.moment("yesterday"), "yesterday"),
        (words.stop_reason("something else"), "something else"),
        (words.clean("a\x00b\ud800c\td"), "a\ufffdb\ufffdc\td"),
    ],
)
def test_words(said: str, expected: str):
    assert said == expected
