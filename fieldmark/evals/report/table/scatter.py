"""Draws accuracy against cost: a spot a method, the cost on a logarithmic axis that has a place for 0."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fieldmark.evals.report.curves import ROOM
from fieldmark.evals.report.figures import Axis, tag
from fieldmark.evals.report.plot_files import alone
from fieldmark.evals.report.words import clean, count, percent, short

HIGH = 260
"""Height of the drawing, in pixels."""
LINE = 16
"""Height of a line below the drawing in a file, which says what a number stands for."""
_TOP = 20
_EDGE = 3.0
"""Percent of the width that stay free at both ends, so that spots are whole."""
_APART = 13
"""Pixels that the names of two spots keep from each other."""
_SIDE, _RIGHT = 7.0, 85.0
"""Percent of the width within which numbers stand together, and from which on they stand left of a spot."""


@dataclass(frozen=True)
class Spot:
    """One method.

    Attributes:
        name: What it is called.
        cost: What it takes, 0 or more.
        value: Its accuracy, 0..1.
        kind: Class name of its colour.
        apart: Whether it has another kind of cost beside this one, so that it is no rival of the others.
    """

    name: str
    cost: int
    value: float
    kind: str
    apart: bool = False


@dataclass(frozen=True)
class CostAxis:
    """A logarithmic axis with a place for 0 at its left end.

    Attributes:
        zero: Whether any spot is at 0.
        low: Power of ten at the left end of the logarithmic part.
        high: Power of ten at its right end.
    """

    zero: bool
    low: int
    high: int

    @classmethod
    def around(cls, costs: Sequence[int]) -> "CostAxis":
        """An axis that holds all costs; at least one of them is above 0."""
        above = [cost for cost in costs if cost > 0]
        low = math.floor(math.log10(min(above)))
        return cls(0 in costs, low, max(low + 1, math.ceil(math.log10(max(above)))))

    def at(self, cost: int) -> float:
        """Place of a cost in percent of the width."""
        begins = 14.0 if self.zero else _EDGE
        if cost <= 0:
            return _EDGE
        part = (math.log10(cost) - self.low) / (self.high - self.low)
        return round(begins + (100 - _EDGE - begins) * part, 2)

    @property
    def ticks(self) -> list[int]:
        """The costs that are marked."""
        return ([0] if self.zero else []) + [10**power for power in range(self.low, self.high + 1)]


def frontier(spots: Sequence[Spot]) -> list[Spot]:
    """The spots that no rival of the same or a lower cost reaches, by ascending cost and accuracy."""
    found: list[Spot] = []
    for spot in sorted((each for each in spots if not each.apart), key=lambda each: (each.cost, -each.value)):
        if not found or spot.value > found[-1].value:
            found.append(spot)
    return found


@dataclass(frozen=True)
class Scatter:
    """A plot.

    Attributes:
        spots: What is drawn.
        plot: The drawing for a page.
        alone: The same as an SVG file.
        numbers: Spots without room for their name: the number at them → the spot.
    """

    spots: tuple[Spot, ...]
    plot: Markup
    alone: str
    numbers: Mapping[int, Spot]


def scatter(spots: Sequence[Spot], *, title: str) -> Scatter | None:
    """The plot, or None where no spot costs anything. Every spot has its name, or a number in its place.

    Args:
        spots: What to draw, the uppermost last.
        title: What it shows, for those who do not see it.
    """
    if not any(spot.cost > 0 for spot in spots):
        return None
    across = CostAxis.around([spot.cost for spot in spots])
    up = Axis.of_shares([spot.value for spot in spots])
    plot = _grid(across, up)
    best = frontier(spots)
    plot += _stairs(best, across, up)
    for spot in spots:
        label = tag("title", f"{clean(spot.name)}: {percent(spot.value)} for {count(spot.cost)}")
        place = {"cx": f"{across.at(spot.cost):g}%", "cy": _y(spot.value, up), "r": 5}
        plot += tag("circle", label, class_=f"spot {spot.kind}{' apart' * spot.apart}", **place)
    named, names = _names(best, across, up)
    numbers = dict(enumerate((spot for spot in spots if spot not in named), 1))
    plot += names + _numbers(numbers, across, up)
    drawn, height = plot + _scale(up), HIGH + ROOM
    for number, spot in numbers.items():
        height += LINE
        text = f"{number}  {clean(short(spot.name, 60))}: {percent(spot.value)} for {count(spot.cost)}"
        drawn += tag("text", text, x=0, y=height)
    file = alone(drawn, height=height, title=title, left=50)
    return Scatter(tuple(spots), _framed(plot, up, title), file, numbers)


def _grid(across: CostAxis, up: Axis) -> Markup:
    drawn = Markup("")
    for tick in up.ticks:
        drawn += tag("line", x1="0", x2="100%", y1=_y(tick, up), y2=_y(tick, up), class_="grid")
    for tick in across.ticks:
        at = f"{across.at(tick):g}%"
        drawn += tag("line", x1=at, x2=at, y1=_TOP, y2=HIGH, class_="grid")
        drawn += tag("text", count(tick), x=at, y=HIGH + ROOM - 6, text_anchor="middle")
    return drawn


def _stairs(best: Sequence[Spot], across: CostAxis, up: Axis) -> Markup:
    """What can be reached for a cost: it steps up at each spot of the frontier."""
    drawn = Markup("")
    for number, spot in enumerate(best):
        after = best[number + 1] if number + 1 < len(best) else None
        begins, y = f"{across.at(spot.cost):g}%", _y(spot.value, up)
        ends = "100%" if after is None else f"{across.at(after.cost):g}%"
        drawn += tag("line", x1=begins, x2=ends, y1=y, y2=y, class_="frontier")
        if after is not None:
            drawn += tag("line", x1=ends, x2=ends, y1=y, y2=_y(after.value, up), class_="frontier")
    return drawn


def _numbers(numbers: Mapping[int, Spot], across: CostAxis, up: Axis) -> Markup:
    """The numbers of spots, to the right of them; those of spots that lie together stand in one place."""
    places: list[tuple[float, float, list[int]]] = []
    for number, spot in numbers.items():
        x, y = across.at(spot.cost), _y(spot.value, up)
        near = next((held for a, b, held in places if abs(a - x) < _SIDE and abs(b - y) < _APART), None)
        if near is None:
            places.append((x, y, [number]))
        else:
            near.append(number)
    drawn = Markup("")
    for x, y, held in places:
        anchor, nudge = ("start", 8) if x < _RIGHT else ("end", -8)
        text = ", ".join(map(str, held))
        drawn += tag("text", text, x=f"{x:g}%", dx=nudge, y=y + 4, text_anchor=anchor)
    return drawn


def _names(best: Sequence[Spot], across: CostAxis, up: Axis) -> tuple[list[Spot], Markup]:
    """The names of the frontier, as many as have room. Above and to the left of it no other spot lies."""
    drawn, lowest, named = Markup(""), float("-inf"), list[Spot]()
    for spot in reversed(best):
        y = _y(spot.value, up) - 8
        if y - lowest < _APART:
            continue
        lowest = y
        named.append(spot)
        at = across.at(spot.cost)
        anchor = "start" if at < 45 else "end"
        nudge = -4 if anchor == "start" else 4
        drawn += tag("text", clean(short(spot.name, 36)), x=f"{at:g}%", dx=nudge, y=y, text_anchor=anchor)
    return named, drawn


def _scale(up: Axis) -> Markup:
    """The numbers of the upright axis, left of the drawing."""
    return Markup("").join(
        tag("text", f"{100 * tick:g}%", x=-8, y=_y(tick, up) + 4, text_anchor="end") for tick in up.ticks
    )


def _framed(plot: Markup, up: Axis, title: str) -> Markup:
    height = HIGH + ROOM
    numbers = Markup("").join(
        tag("text", f"{100 * tick:g}%", x="100%", y=_y(tick, up) + 4, text_anchor="end") for tick in up.ticks
    )
    return tag(
        "div",
        tag("svg", numbers, class_="scale", width="100%", height=height, aria_hidden="true")
        + tag(
            "svg", plot, class_="figure scatter", width="100%", height=height, role="img", aria_label=title
        ),
        class_="frame",
    )


def _y(value: float, axis: Axis) -> float:
    return round(_TOP + (HIGH - _TOP) * (1 - axis.at(value) / 100), 2)
