"""Draws how numbers change from one generation to the next, as stepped curves in inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fieldmark.evals.report.figures import Axis, tag
from fieldmark.evals.report.words import MINUS

WIDE, HIGH = 1000, 200
"""Units of the drawing; it is stretched to the width of its place."""
ROOM = 22
"""Pixels below the drawing for the numbers of its axis."""
MOST_STEPS = 2000
"""Points of a curve that are drawn; of more, some in even distance."""


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        kind: Class name of its colour.
        points: Place and height of each point, by ascending place; a height stays until the next point.
    """

    kind: str
    points: tuple[tuple[float, float], ...]


def stepped(
    curves: Sequence[Curve],
    across: Axis,
    up: Axis,
    *,
    title: str,
    scale: float = 1,
    unit: str = "",
    levels: Sequence[tuple[str, float]] = (),
) -> Markup:
    """Curves over one axis, each as steps, beside the numbers of both axes.

    Args:
        curves: What to draw, the uppermost last.
        across: The axis from left to right.
        up: The axis from bottom to top.
        title: What it shows, for those who do not see it.
        scale: What the numbers of `up` are multiplied with where they are said.
        unit: What follows them.
        levels: Class name and height of lines across the whole drawing.
    """
    drawn = Markup("")
    for tick in up.ticks:
        drawn += _line("grid", [(0, _y(tick, up)), (WIDE, _y(tick, up))])
    for kind, level in levels:
        drawn += _line(f"level {kind}", [(0, _y(level, up)), (WIDE, _y(level, up))])
    for curve in curves:
        drawn += _line(f"curve {curve.kind}", _steps(thinned(curve.points), across, up))
    plot = tag(
        "svg",
        drawn,
        viewBox=f"0 0 {WIDE} {HIGH}",
        preserveAspectRatio="none",
        width="100%",
        height=HIGH,
    )
    for tick in across.ticks:
        at = across.at(tick)
        anchor = "start" if at < 1 else "end" if at > 99 else "middle"
        plot += tag("text", _number(tick), x=f"{at:g}%", y=HIGH + ROOM - 6, text_anchor=anchor)
    numbers = Markup("").join(
        tag(
            "text",
            _number(scale * tick) + unit,
            x="100%",
            y=_y(tick, up) + 4,
            text_anchor="end",
        )
        for tick in up.ticks
    )
    height = HIGH + ROOM
    return tag(
        "div",
        tag("svg", numbers, class_="scale", width="100%", height=height, aria_hidden="true")
        + tag("svg", plot, class_="figure curves", width="100%", height=height, role="img", aria_label=title),
        class_="frame",
    )


def whole_numbers(last: int) -> Axis:
    """An axis from 0 to `last` that marks whole numbers."""
    axis = Axis.around([float(max(last, 1))])
    step = max(1.0, axis.ticks[1] - axis.ticks[0])
    ticks = tuple(place * step for place in range(math.floor(max(last, 1) / step) + 1))
    return Axis(low=0.0, high=float(max(last, 1)), ticks=ticks)


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_STEPS) -> list[tuple[float, float]]:
    """At most about `most` of the points, in even distance, the last one always among them."""
    every = max(1, math.ceil(len(points) / most))
    kept = list(points[::every])
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def _steps(points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    for place, height in points:
        x, y = across.at(place) * WIDE / 100, _y(height, up)
        if corners and corners[-1][1] != y:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    if len(corners) == 1:  # a single point is still to be seen
        corners.append((WIDE, corners[0][1]))
    return corners


def _line(kind: str, points: Sequence[tuple[float, float]]) -> Markup:
    return tag(
        "polyline",
        points=" ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in points),
        class_=kind,
        vector_effect="non-scaling-stroke",
    )


def _number(value: float) -> str:
    return f"{value:,g}".replace("-", MINUS)


def _y(value: float, axis: Axis) -> float:
    return round(6 + (HIGH - 6) * (1 - axis.at(value) / 100), 2)
