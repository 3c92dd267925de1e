"""Draws how well each way of classifying a set of images did, as a picture of its own."""

from collections.abc import Sequence

from fieldmark.evals.report.figures import Axis, interval, tick_labels
from fieldmark.evals.report.plot_files import interval_plot


def advice_plot(ways: Sequence[tuple[str, float, tuple[float, float]]]) -> str:
    """An SVG with one line a way.

    Args:
        ways: What each takes, its share of images that are right, and the ends of its 95% interval.
    """
    axis = Axis.of_shares([end for _, _, ends in ways for end in ends])
    rows = [(name, interval(value, ends, axis), f"{100 * value:.1f}%") for name, value, ends in ways]
    return interval_plot(rows, tick_labels(axis), title="Images that are right, by what is given")
