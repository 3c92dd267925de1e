"""Draws the report's figures as inline SVG: intervals, stacked and signed bars, matrices.

Colours come from the page's style sheet by class name, and positions are percentages, so that a figure is as
wide as its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fieldmark.evals.report.words import clean

ROW = 22
"""Height of a figure that stands in one table row, in pixels."""
CELL = 17
"""Width and height of a matrix cell, in pixels."""
TICKS_APART = 20
"""Percent of the width that the numbers of two ticks keep from each other."""
MARGIN = 26
"""Room for a matrix's numbers, in pixels."""


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: Value at the left end.
        high: Value at the right end.
        ticks: Values that are marked.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Place of a value in percent of the width, kept within the axis."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)

    @classmethod
    def around(cls, values: Sequence[float], *, zero: bool = True) -> "Axis":
        """An axis with round ends that holds all values."""
        kept = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
        low, high = min(kept, default=0.0), max(kept, default=1.0)
        if high <= low:
            high = low + 1
        step = _step(high - low)
        first = math.floor(low / step + 1e-9)
        last = max(math.ceil(high / step - 1e-9), first + 1)
        return cls(
            low=first * step,
            high=last * step,
            ticks=tuple(round(place * step, 10) for place in range(first, last + 1)),
        )

    @classmethod
    def of_shares(cls, values: Sequence[float]) -> "Axis":
        """An axis that holds shares, some ten points wide at least, and ends at 0 and 1."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        wider = max(0.0, (0.1 - (high - low)) / 2)
        return cls.around([max(0.0, low - wider), min(1.0, high + wider)], zero=False)


def tag(name: str, content: Markup | str = "", **attributes: object) -> Markup:
    """One SVG element; every value is escaped, and `_` in an attribute's name stands for `-`."""
    parts = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    if not content:
        return Markup("<{}{}/>").format(Markup(name), parts)  # noqa: S704 (element names are our own)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), parts, content)  # noqa: S704


def _wide(content: Markup, *, height: int = ROW, kind: str) -> Markup:
    """A picture as wide as its place; a table beside it says the same in numbers."""
    return tag("svg", content, class_=f"figure {kind}", width="100%", height=height, aria_hidden="true")


def _pct(value: float) -> str:
    return f"{round(value, 2):g}%"


def _grid(axis: Axis, height: int) -> Markup:
    return Markup("").join(
        tag(
            "line",
            x1=_pct(axis.at(tick)),
            x2=_pct(axis.at(tick)),
            y1=0,
            y2=height,
            class_="zero" if tick == 0 and axis.low < 0 else "grid",
        )
        for tick in axis.ticks
    )


def readable(axis: Axis) -> tuple[float, ...]:
    """The ticks whose numbers keep apart in a narrow figure: every one, or every second one, and so on."""
    places = [axis.at(tick) for tick in axis.ticks]
    step = places[1] - places[0]
    return axis.ticks[:: max(1, math.ceil(TICKS_APART / step - 1e-9))]


def tick_labels(axis: Axis, *, scale: float = 100, unit: str = "%", sign: bool = False) -> Markup:
    """The axis's numbers, for the head of a column of figures."""
    labels: list[Markup] = []
    for tick in readable(axis):
        at = axis.at(tick)
        text = f"{scale * tick:{'+' if sign and tick else ''}g}".replace("-", "−") + unit
        anchor = "start" if at < 1 else "end" if at > 99 else "middle"
        labels.append(tag("text", text, x=_pct(at), y=11, text_anchor=anchor))
    return _wide(Markup("").join(labels), height=15, kind="ticks")


def interval(
    value: float,
    ends: tuple[float, float],
    axis: Axis,
    *,
    strong: bool = False,
    kind: str = "",
    level: float | None = None,
) -> Markup:
    """A dot with its interval.

    Args:
        value: Place of the dot.
        ends: Ends of the interval.
        axis: The axis.
        strong: Whether it stands out.
        kind: Class name of another colour.
        level: Where an upright line says what it is to be compared with.
    """
    middle = ROW / 2
    low, high = axis.at(ends[0]), axis.at(ends[1])
    drawn = _grid(axis, ROW)
    if level is not None:
        drawn += tag("line", x1=_pct(axis.at(level)), x2=_pct(axis.at(level)), y1=0, y2=ROW, class_="level")
    drawn += tag("line", x1=_pct(low), x2=_pct(high), y1=middle, y2=middle, class_="whisker") + tag(
        "circle", cx=_pct(axis.at(value)), cy=middle, r=5, class_="dot"
    )
    return _wide(drawn, kind=" ".join(filter(None, ("interval", "strong" if strong else "", kind))))


def stacked(parts: Sequence[tuple[str, float]], total: float) -> Markup:
    """One bar of several parts."""
    drawn, at = Markup(""), 0.0
    for kind, size in parts:
        width = 100 * size / total if total > 0 else 0.0
        if width > 0:
            drawn += tag("rect", x=_pct(at), width=_pct(width), y=4, height=ROW - 8, class_=kind)
        at += width
    return _wide(drawn, kind="stacked")


def share(value: float, *, kind: str = "plain") -> Markup:
    """A bar from the left, for a value between 0 and 1, over a faint full one."""
    full = tag("rect", x=0, width="100%", y=6, height=6, rx=3, class_="track")
    part = tag("rect", x=0, width=_pct(100 * min(1.0, max(0.0, value))), y=6, height=6, rx=3, class_=kind)
    return _wide(full + part, height=18, kind="share")


def signed_bar(value: float, largest: float) -> Markup:
    """A bar from the middle: to the right where the value is positive, to the left where it is negative."""
    half = 50 * min(1.0, abs(value) / largest) if largest > 0 else 0.0
    bar = tag(
        "rect",
        x=_pct(50 if value >= 0 else 50 - half),
        width=_pct(half),
        y=4,
        height=10,
        class_="for" if value >= 0 else "against",
    )
    middle = tag("line", x1="50%", x2="50%", y1=0, y2=18, class_="zero")
    return _wide(bar + middle, height=18, kind="signed")


def matrix(rows: Sequence[Sequence[int]], names: Sequence[str], *, title: str) -> Markup:
    """A confusion matrix: row = true class, column = label, shade = share of the row.

    Args:
        rows: Counts; one row a class, one column a class and one more for all other labels.
        names: The classes; the numbers at the edges are their places here, from 1.
        title: What it shows, for those who do not see it.
    """
    width, height = MARGIN + CELL * (len(names) + 1) + 6, MARGIN + CELL * len(names)
    drawn = Markup("")
    for number in range(1, len(names) + 1):
        centre = MARGIN + CELL * (number - 0.5)
        drawn += tag("text", str(number), x=centre, y=MARGIN - 7, text_anchor="middle")
        drawn += tag("text", str(number), x=MARGIN - 7, y=centre + 3.5, text_anchor="end")
    other = MARGIN + CELL * len(names) + 6
    drawn += tag("text", "etc.", x=other + CELL / 2, y=MARGIN - 7, text_anchor="middle")
    for y, row in enumerate(rows):
        total = sum(row)
        for x, number in enumerate(row):
            outside = x == len(names)
            left = other if outside else MARGIN + CELL * x
            place = {"x": left, "y": MARGIN + CELL * y, "width": CELL - 1.5, "height": CELL - 1.5, "rx": 2}
            drawn += tag("rect", class_="empty", **place)
            if number:
                label = "another class" if outside else names[x]
                caption = tag("title", f"{clean(names[y])} labelled {clean(label)}: {number} of {total}")
                strength = round(0.15 + 0.85 * number / total, 3)
                kind = "right" if x == y else "wrong"
                drawn += tag("rect", caption, class_=kind, fill_opacity=strength, **place)
    box = f"0 0 {width:g} {height:g}"
    return tag("svg", drawn, class_="matrix", viewBox=box, width=width, role="img", aria_label=clean(title))


def _step(span: float) -> float:
    """A round step that cuts a span into about five."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
