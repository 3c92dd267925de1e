"""What held-out folds said of how long to search: a curve over the search, and every choice in one row."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fieldmark.agents.optimize.folds import FoldCurve, Folds, HeldOutPoint, SearchLength
from fieldmark.evals.report import figures
from fieldmark.evals.report.curves import Curve, stepped


@dataclass(frozen=True)
class ChoiceRow:
    """One choice.

    Attributes:
        title: How long it searches.
        choice: The choice, with what it scored on the folds.
        plot: How much fitness it lacks to the best, with its standard error.
        is_chosen: Whether it was chosen.
    """

    title: str
    choice: SearchLength
    plot: Markup
    is_chosen: bool


def choice_rows(folds: Folds, axis: figures.Axis) -> list[ChoiceRow]:
    """Every choice in its order, the simplest first."""
    return [
        ChoiceRow(
            title=length_words(each.stage, each.passes),
            choice=each,
            plot=figures.interval(
                each.shortfall,
                (each.shortfall - each.standard_error, each.shortfall + each.standard_error),
                axis,
                strong=each == folds.chosen,
            ),
            is_chosen=each == folds.chosen,
        )
        for each in folds.choices
    ]


def shortfall_axis(folds: Folds) -> figures.Axis:
    """An axis that holds every choice's shortfall with its standard error."""
    ends = [c.shortfall + sign * c.standard_error for c in folds.choices for sign in (-1, 1)]
    return figures.Axis.around(ends)


def held_out_curve(folds: Folds) -> Markup:
    """Top-1 on the images searched by and on those held out, at the chosen penalty; means over the folds."""
    return held_out_steps(
        [curve for curve in folds.curves if curve.penalty == folds.chosen.penalty] or folds.curves
    )


def held_out_steps(curves: Sequence[FoldCurve]) -> Markup:
    """The same of some searches; at least one."""
    seen, held_out = _means(curves)
    last = max(place for place, _ in held_out)
    return stepped(
        [Curve("train", tuple(seen)), Curve("test", tuple(held_out))],
        figures.Axis(low=0.0, high=max(1.0, last), ticks=tuple(range(int(last) + 1))),
        figures.Axis(low=0.0, high=1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0)),
        title="Top-1 over the search, on the folds searched by and on those held out, mean over the folds",
        scale=100,
        unit="%",
    )


def length_words(stage: str, passes: int) -> str:
    """How long a search is, in words."""
    if stage == "start":
        return "The start itself"
    if stage == "sampled":
        return "The best sampled book"
    return f"{passes} pass{'es' * (passes != 1)}"


def place(point: HeldOutPoint) -> int:
    """Where a point stands: 0 the start, 1 the sampled book, then a place for each pass."""
    return 0 if point.stage == "start" else 1 + point.passes


def _means(curves: Sequence[FoldCurve]) -> tuple[list[tuple[float, float]], ...]:
    by_place: dict[int, list[HeldOutPoint]] = defaultdict(list)
    for curve in curves:
        for point in curve.points:
            by_place[place(point)].append(point)
    rows = sorted(by_place.items())
    return tuple(
        [(float(at), sum(getattr(p, name) for p in points) / len(points)) for at, points in rows]
        for name in ("train_top1", "held_out_top1")
    )
