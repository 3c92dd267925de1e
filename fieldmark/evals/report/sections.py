"""The sections that several reports share: outcome, rounds, confusions, time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from fieldmark.evals.report import figures
from fieldmark.evals.report.confusion import ConfusedClasses
from fieldmark.records import Prediction
from fieldmark.tools.runs.events import RoundSummary


@dataclass(frozen=True)
class OutcomeCounts:
    """What came of all images, in counts; those of right labels are None where no truth is known."""

    images: int
    resolved: int
    open: int
    rejected: int
    changed: int
    known: int
    right_first: int | None
    right_final: int | None
    right_resolved: float | None
    right_open: float | None
    mended: int | None
    spoilt: int | None


@dataclass(frozen=True)
class RoundRow:
    """One round of the chart."""

    title: str
    asked: int
    summary: RoundSummary
    bar: Markup


@dataclass(frozen=True)
class TimePart:
    """One part of the running time."""

    title: str
    seconds: float
    bar: Markup


def outcome(predictions: Sequence[Prediction]) -> OutcomeCounts:
    """Count what came of all images."""
    labelled = [p for p in predictions if p.truth is not None]
    first = [p.first_label == p.truth for p in labelled]
    final = [p.label == p.truth for p in labelled]
    both = list(zip(first, final, strict=True))
    statuses = [p.status for p in predictions]
    return OutcomeCounts(
        images=len(predictions),
        resolved=statuses.count("resolved"),
        open=statuses.count("open"),
        rejected=statuses.count("rejected"),
        changed=sum(p.first_label not in (None, p.label) for p in predictions),
        known=len(labelled),
        right_first=sum(first) if labelled else None,
        right_final=sum(final) if labelled else None,
        right_resolved=_share(p.label == p.truth for p in labelled if p.status == "resolved"),
        right_open=_share(p.label == p.truth for p in labelled if p.status != "resolved"),
        mended=both.count((False, True)) if labelled else None,
        spoilt=both.count((True, False)) if labelled else None,
    )


def round_rows(rounds: Sequence[RoundSummary]) -> list[RoundRow]:
    """The rounds, each with its stacked bar and the questions asked in it."""
    rows: list[RoundRow] = []
    before = 0
    for summary in rounds:
        parts = [("resolved", summary.resolved), ("open", summary.open), ("rejected", summary.rejected)]
        total = sum(size for _, size in parts)
        rows.append(
            RoundRow(
                title=f"Round {summary.round}" if summary.round else "First look",
                asked=max(0, summary.questions - before),
                summary=summary,
                bar=figures.stacked(parts, total),
            )
        )
        before = summary.questions
    return rows


def matrices(found: ConfusedClasses | None) -> tuple[Markup, ...]:
    """The confusion matrices of the first look and of the end."""
    if found is None:
        return ()
    what = f"Confusion matrix of the {len(found.classes)} most confused classes"
    return (
        figures.matrix(found.first, found.classes, title=f"{what} at the first look"),
        figures.matrix(found.final, found.classes, title=f"{what} at the end"),
    )


def time_parts(named: Sequence[tuple[str, float]], total: float) -> list[TimePart]:
    """Where the time went, as one bar cut in pieces."""
    # Clocks that overlap by a few milliseconds must not push the last bar out of the figure.
    total = max(total, sum(max(0.0, each) for _, each in named))
    starts = [0.0]
    for _, each in named:
        starts.append(starts[-1] + max(0.0, each))
    return [
        TimePart(title, each, figures.stacked([("gap", start), ("time", end - start)], total))
        for (title, each), (start, end) in zip(named, pairwise(starts), strict=True)
    ]


def _share(values: Iterable[bool]) -> float | None:
    kept = list(values)
    return sum(kept) / len(kept) if kept else None
