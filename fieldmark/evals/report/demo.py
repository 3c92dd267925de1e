"""Writes the demo's report: the ladder, what each question bought, and pictures to check by eye."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from fieldmark.evals.demo.ladder import FUDD_K, Climb
from fieldmark.evals.demo.results import DemoResult, PairedScore, RungScore
from fieldmark.evals.report import figures
from fieldmark.evals.report.classify import REPORT
from fieldmark.evals.report.confusion import confusions
from fieldmark.evals.report.gallery import gallery
from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import Pictures
from fieldmark.evals.report.sections import TimePart, matrices, outcome, round_rows, time_parts
from fieldmark.evals.report.words import few_classes
from fieldmark.records import RunManifest
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.rounds import pooled_rounds

LOOP = "resolve"
RUNG_WORDS = {
    "names": ("Bare names", "The class name alone"),
    "templates": ("Templates", "The name in seven phrasings"),
    "descriptors": ("Descriptors", "One general question a class; the loop's first look"),
    "descriptors_more": ("More descriptors", "As many general questions as the loop asks"),
    "fudd": ("FuDD", f"Every pair among the {FUDD_K} likeliest classes, once"),
    "everything": ("All answers at once", "FuDD's answers in one list a class: the same knowledge, no loop"),
    LOOP: ("Fieldmark’s loop", "Asks only about what is still confused"),
}
"""Title of each rung, and what it does."""


@dataclass(frozen=True)
class RungRow:
    """One rung of the plot."""

    title: str
    note: str
    score: RungScore
    questions: int
    plot: Markup
    is_loop: bool


@dataclass(frozen=True)
class PairRow:
    """One paired difference of the plot."""

    first: str
    second: str
    pair: PairedScore
    plot: Markup


def write_demo_report(run: RunFolder, result: DemoResult, climbs: Sequence[Climb]) -> Path:
    """Write `report.html` for a finished demo.

    Returns:
        Path of the report.

    Raises:
        RunError: The manifest is missing, or the report cannot be written.
    """
    predictions = tuple(p for climb in climbs for p in climb.predictions)
    listed = tuple(p for climb in climbs for p in climb.listed_predictions)
    rung_axis = figures.Axis.around([*(end for score in result.ladder for end in score.ci95), 0.1])
    pair_axis = figures.Axis.around([end for pair in result.paired for end in pair.ci95])
    scores = {score.name: score for score in result.ladder}
    html = render(
        "demo.html",
        run=run.path,
        run_id=run.run_id,
        result=result,
        manifest=run.read("manifest.json", RunManifest),
        noun=climbs[0].world.noun,
        loop=scores[LOOP],
        first=scores["descriptors"],
        ladder=ladder_rows(result, rung_axis),
        ladder_ticks=figures.tick_labels(rung_axis),
        wide=few_classes([score.ci95 for score in result.ladder], result.classes, "species"),
        pairs=pair_rows(result, pair_axis),
        pair_ticks=figures.tick_labels(pair_axis, unit="", sign=True),
        outcome=outcome(listed),
        rounds=round_rows(pooled_rounds([climb.state.history for climb in climbs])),
        confusions=(found := confusions(listed)),
        matrices=matrices(found),
        groups=gallery(predictions, Pictures()),
        parts_of_time=parts_of(result),
        bar=figures.share,
    )
    return write_page(run.path / REPORT, html)


def ladder_rows(result: DemoResult, axis: figures.Axis) -> list[RungRow]:
    """The rungs in their order, each with its dot and interval."""
    return [
        RungRow(
            title=RUNG_WORDS.get(score.name, (score.name, ""))[0],
            note=RUNG_WORDS.get(score.name, ("", ""))[1],
            score=score,
            questions=result.questions.get(score.name, 0),
            plot=figures.interval(score.top1, score.ci95, axis, strong=score.name == LOOP),
            is_loop=score.name == LOOP,
        )
        for score in result.ladder
    ]


def pair_rows(result: DemoResult, axis: figures.Axis) -> list[PairRow]:
    """The paired differences, each with its dot and interval."""
    return [
        PairRow(
            first=RUNG_WORDS.get(pair.a, (pair.a, ""))[0],
            second=RUNG_WORDS.get(pair.b, (pair.b, ""))[0],
            pair=pair,
            plot=figures.interval(pair.difference, pair.ci95, axis, strong=pair.a == LOOP),
        )
        for pair in result.paired
    ]


def parts_of(result: DemoResult) -> list[TimePart]:
    """Where the time went, as one bar cut in four."""
    seconds = result.seconds
    named = (
        ("Drawing the pictures", seconds.render),
        ("Encoding pictures and texts", seconds.encode),
        ("Waiting for answers", seconds.llm),
        ("Scoring and everything else", seconds.score),
    )
    return time_parts(named, seconds.total)
