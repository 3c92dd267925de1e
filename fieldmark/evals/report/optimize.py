"""Writes the report of a prompt search: its course, its changes, and their worth on test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from fieldmark.agents.optimize.finish import RESULT, BookScore, ClassScore, SearchResult
from fieldmark.agents.optimize.folds import Folds
from fieldmark.agents.optimize.search_run import TOUCHED_ONCE, OptimizeResult, OtherEncoder, SearchSeconds
from fieldmark.evals.report import figures
from fieldmark.evals.report.classify import REPORT
from fieldmark.evals.report.curves import Curve, stepped, whole_numbers
from fieldmark.evals.report.held_out import choice_rows, held_out_curve, shortfall_axis
from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.prompt_changes import prompt_changes
from fieldmark.evals.report.sections import TimePart, time_parts
from fieldmark.records import PromptBook, RunManifest
from fieldmark.tools.runs.folder import RunFolder

SHOWN = 10
"""Classes, and confusions, that are shown at once."""
MOST_FOLDED = 150
"""Classes that unfold; of more, the files have the rest."""


@dataclass(frozen=True)
class BookRow:
    """One book of the plot."""

    title: str
    score: BookScore
    plot: Markup
    is_best: bool


@dataclass(frozen=True)
class ClassRow:
    """One class of the table."""

    name: str
    score: ClassScore
    difference: float
    bar: Markup


@dataclass(frozen=True)
class OtherRow:
    """The two books on another encoder."""

    other: OtherEncoder
    plot: Markup


@dataclass(frozen=True)
class Bounded:
    """The first rows of a list, some that unfold, and how many there are."""

    shown: Sequence[object]
    folded: Sequence[object]
    count: int

    @classmethod
    def of(cls, rows: Sequence[object]) -> "Bounded":
        """Bound a list."""
        return cls(rows[:SHOWN], rows[SHOWN : SHOWN + MOST_FOLDED], len(rows))


def write_optimize_report(run: RunFolder) -> Path:
    """Write `report.html` from the files of a finished prompt search.

    Args:
        run: The run's folder, with the result, both books and the manifest.

    Returns:
        Path of the report.

    Raises:
        RunError: A file of the run is missing or broken, or the report cannot be written.
    """
    html = render("optimize.html", run=run.path, **search_values(run))
    return write_page(run.path / REPORT, html)


def search_values(run: RunFolder) -> dict[str, object]:
    """What the page of a finished prompt search names.

    Raises:
        RunError: A file of the run is missing or broken.
    """
    result = run.read("result.json", OptimizeResult)
    found = run.read(RESULT, SearchResult)
    manifest = run.read("manifest.json", RunManifest)
    axis = figures.Axis.around(
        [end for score in (found.start, found.best) for end in score.ci95 or ()] + [result.ceiling or 0.1]
    )
    others = figures.Axis.around([end for other in result.also for end in other.gain.ci95])
    gains = figures.Axis.around(found.gain.ci95 if found.gain else ())
    rows = class_rows(found)
    changes = prompt_changes(
        run.read("start_book.json", PromptBook), run.read("book.json", PromptBook), found.by_class
    )
    return {
        "run_id": run.run_id,
        "result": result,
        "found": found,
        "manifest": manifest,
        "notes": [note for note in manifest.notes if note != TOUCHED_ONCE],
        "books": book_rows(found, axis),
        "book_ticks": figures.tick_labels(axis),
        "ceiling_plot": None
        if result.ceiling is None
        else figures.interval(result.ceiling, (result.ceiling, result.ceiling), axis),
        "gain_plot": figures.interval(found.gain.difference, found.gain.ci95, gains, strong=True)
        if found.gain
        else None,
        "gain_ticks": figures.tick_labels(gains, unit="", sign=True),
        "fitness_curve": fitness_curve(found),
        "top1_curve": top1_curve(found, result.ceiling),
        "folds": found.folds,
        "reflect": found.reflect,
        "edits": Bounded.of(found.reflect.accepted if found.reflect else ()),
        "held_out_curve": held_out_curve(found.folds) if found.folds else None,
        "choices": bounded_choices(found.folds) if found.folds else None,
        "choice_ticks": figures.tick_labels(shortfall_axis(found.folds), scale=1, unit="")
        if found.folds
        else None,
        "others": [
            OtherRow(each, figures.interval(each.gain.difference, each.gain.ci95, others))
            for each in result.also
        ],
        "other_ticks": figures.tick_labels(others, unit="", sign=True),
        "better": Bounded.of([row for row in rows if row.difference > 0]),
        "worse": Bounded.of([row for row in reversed(rows) if row.difference < 0]),
        "same": sum(row.difference == 0 for row in rows),
        "changes": Bounded.of(changes),
        "unchanged": result.classes - len(changes),
        "vanished": Bounded.of(found.vanished),
        "appeared": Bounded.of(found.appeared),
        "parts_of_time": parts_of(result.seconds),
        "test_images": sum(row.score.images for row in rows),
    }


def bounded_choices(folds: Folds) -> Bounded:
    """The start, the best and the chosen length of the search; the others unfold."""
    rows = choice_rows(folds, shortfall_axis(folds))
    first = [r for r in rows if r.is_chosen or r.choice == folds.best or r.choice.stage == "start"]
    rest = [row for row in rows if row not in first]
    return Bounded(first, rest[:MOST_FOLDED], len(rows))


def book_rows(found: SearchResult, axis: figures.Axis) -> list[BookRow]:
    """The start and the best book, each with its dot and interval."""
    return [
        BookRow(
            title=title,
            score=score,
            plot=figures.interval(score.test_top1 or 0.0, score.ci95, axis, strong=is_best)
            if score.ci95
            else Markup(""),
            is_best=is_best,
        )
        for title, score, is_best in (("Start", found.start, False), ("Best", found.best, True))
    ]


def class_rows(found: SearchResult) -> list[ClassRow]:
    """The classes with test images, the largest gains first."""
    rows: list[ClassRow] = []
    for name, score in found.by_class.items():
        difference = (score.best - score.start) / score.images
        rows.append(ClassRow(name, score, difference, figures.signed_bar(difference, 1.0)))
    return sorted(rows, key=lambda row: -row.difference)


def fitness_curve(found: SearchResult) -> Markup | None:
    """Fitness of the fittest book after each generation; None where there was no generation."""
    if not found.curve:
        return None
    return fitness_steps([(0, found.start.fitness), *((p.generation, p.fitness) for p in found.curve)])


def fitness_steps(points: Sequence[tuple[int, float]]) -> Markup:
    """Fitness of the fittest book by generation, in their order; at least one."""
    return stepped(
        [Curve("strong", tuple((float(place), height) for place, height in points))],
        whole_numbers(points[-1][0]),
        figures.Axis.around([height for _, height in points], zero=False),
        title="Fitness of the fittest book after each generation",
    )


def top1_curve(found: SearchResult, ceiling: float | None) -> Markup | None:
    """Training and test top-1 of the same books; None where there was no generation."""
    if not found.curve:
        return None
    train = [(0.0, found.start.train_top1), *((float(p.generation), p.train_top1) for p in found.curve)]
    test = [(0.0, found.start.test_top1), *((float(p.generation), p.test_top1) for p in found.curve)]
    known = [(place, height) for place, height in test if height is not None]
    curves = [Curve("train", tuple(train))]
    if known:
        curves.append(Curve("test", tuple(known)))
    return stepped(
        curves,
        whole_numbers(found.curve[-1].generation),
        figures.Axis(low=0.0, high=1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0)),
        title="Top-1 of the fittest book after each generation, on training and on test images",
        scale=100,
        unit="%",
        levels=[] if ceiling is None else [("ceiling", ceiling)],
    )


def parts_of(seconds: SearchSeconds) -> list[TimePart]:
    """Where the time went, as one bar cut in four."""
    named = (
        ("Drawing the pictures", seconds.render),
        ("Encoding pictures and texts", seconds.encode),
        ("Waiting for answers", seconds.llm),
        ("The search and everything else", seconds.search),
    )
    return time_parts(named if seconds.render else named[1:], seconds.total + seconds.render)
