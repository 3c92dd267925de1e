"""Draws how far the confidence of each method can be trusted: small reliability diagrams."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from fieldmark.evals.metrics.accuracy import predictions_right
from fieldmark.evals.metrics.calibration import Reliability, reliability
from fieldmark.evals.report.figures import tag
from fieldmark.evals.report.words import clean
from fieldmark.evals.table.join import SettingRuns
from fieldmark.evals.table.records import Row

BINS = 10
_SIDE = 120
_FAINTEST = 0.15


@dataclass(frozen=True)
class Trust:
    """One method's diagram.

    Attributes:
        title: The method.
        error: Its calibration error, as in the table; None where it has none.
        plot: The diagram.
    """

    title: str
    error: float | None
    plot: Markup


def trust_of(setting: SettingRuns, rows: Sequence[Row]) -> list[Trust]:
    """The diagrams of all methods that predict a class, in the order of the rows."""
    made: list[Trust] = []
    for row in rows:
        found = pooled_reliability(setting, row.method)
        if found is not None:
            error = "" if row.ece is None else f": calibration error {row.ece:.3f}"
            made.append(Trust(row.title, row.ece, diagram(found, title=f"Reliability of {row.title}{error}")))
    return made


def pooled_reliability(setting: SettingRuns, method: str, *, bins: int = BINS) -> Reliability | None:
    """Reliability of a method's predictions, those of all its seeds together; None where there are none."""
    labels = np.array(setting.truth.labels)
    done = [
        run
        for run in setting.runs
        if run.method == method and run.outcome == "done" and len(run.confidence) == len(labels)
    ]
    if not done:
        return None
    right = [predictions_right(np.array(run.predicted), labels) for run in done]
    confidence = np.concatenate([np.array(run.confidence) for run in done])
    return reliability(confidence, np.concatenate(right), bins=bins)


def diagram(found: Reliability, *, title: str) -> Markup:
    """Accuracy by confidence, the stronger a bar's colour the more images it holds; the line is honesty."""
    most = max((each.count for each in found.bins), default=0)
    drawn = tag("rect", x=0, y=0, width=_SIDE, height=_SIDE, class_="track")
    for each in found.bins:
        if each.accuracy is None or each.confidence is None:
            continue
        title_text = f"confidence {each.confidence:.2f}, right {each.accuracy:.2f}, images {each.count:,}"
        height = round(_SIDE * each.accuracy, 2)
        left, right = round(_SIDE * each.low, 2), round(_SIDE * each.high, 2)
        strength = round(_FAINTEST + (1 - _FAINTEST) * each.count / most, 3)
        # A bar without height is still there to be pointed at.
        shape = {"x": left, "width": round(right - left - 1, 2), "y": _SIDE - max(height, 1.0)}
        drawn += tag(
            "rect",
            tag("title", title_text),
            height=max(height, 1.0),
            class_="plain",
            fill_opacity=strength,
            **shape,
        )
    drawn += tag("line", x1=0, y1=_SIDE, x2=_SIDE, y2=0, class_="honest")
    box = f"0 0 {_SIDE} {_SIDE}"
    return tag("svg", drawn, class_="trust", viewBox=box, width=_SIDE, role="img", aria_label=clean(title))
