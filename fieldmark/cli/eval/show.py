"""How a table of methods is said in a terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.terminal import PlainConsole, amount, row, share, table

if TYPE_CHECKING:
    from fieldmark.evals.table.records import EvalResult, Row, Verdict

_AROUND = 3
"""Columns of the terminal that a column takes beside its text; the frame takes one more."""
_TITLE = "title"
"""Stands beside the name that `--methods` takes only where every figure has its room."""
_NONE = "–"


@dataclass(frozen=True)
class TerminalColumn:
    """One column of the table.

    Attributes:
        head: Its head.
        need: How much it is needed: where the terminal is narrow, the lowest goes first.
        cell: What it says of a row.
    """

    head: str
    need: int
    cell: "Callable[[Row], str]"


def write_report(result: "EvalResult", progress: TerminalProgress) -> None:
    """Write the page and the Markdown table of a run into its folder."""
    from fieldmark.evals.report.table.page import write_table_report
    from fieldmark.evals.table.join import runs_behind
    from fieldmark.tools.runs.folder import RunFolder

    progress.stage("Writing the report")
    run = RunFolder(Path(result.run))
    write_table_report(run, result, runs_behind(run))


def show(result: "EvalResult", console: PlainConsole) -> None:
    """Say what was measured, a table a setting."""
    places = dict.fromkeys((each.data, each.setting) for each in result.rows)
    for data, setting in places:
        console.say()
        show_setting(
            result,
            f"{data}, {setting}",
            [each for each in result.rows if (each.data, each.setting) == (data, setting)],
            console,
        )
    controlled = any(each.control_difference is not None for each in result.rows)
    control = f" and against the control, {result.control}" if controlled else ""
    console.say(
        f"Intervals resample classes. Points against {result.baseline}{control}; *: p below 5% by sign flips "
        "of whole classes, adjusted by Holm. Questions (asked) and texts are those a method needs, whoever "
        "asked first."
    )
    for note in result.notes:
        console.say(note, "bold")
    console.say(f"Run: {result.run}")
    for name, what in (("report.html", "Report"), ("table.md", "Table")):
        if (path := Path(result.run) / name).is_file():
            console.say(f"{what}: {path}")


def show_setting(result: "EvalResult", title: str, rows: Sequence["Row"], console: PlainConsole) -> None:
    """One setting's tables, then why methods are missing in it."""
    from fieldmark.evals.table.arrange import missing, tables

    for together in tables(rows):
        show_table(result, title, together, console)
    if not any(each.outcome == "done" for each in rows):
        console.say(f"{title}: no method could be measured.", "bold")
    for each in missing(rows):
        methods = ", ".join(row.method for row in each.rows)
        console.say(f"{each.outcome.capitalize()}, {each.reason}: {methods}.")


def show_table(result: "EvalResult", title: str, rows: Sequence["Row"], console: PlainConsole) -> None:
    """One table; what does not fit is named below it."""
    columns = columns_for(rows, result)
    kept = fitting(columns, rows, console.width)
    made = table(
        *(column.head for column in kept),
        title=f"{title}: {amount(rows[0].images, 'image')}, {amount(len(rows), 'method')}",
        words=("method", _TITLE),
    )
    for column in made.columns:
        column.no_wrap = True
    for each in rows:
        marked = each.method in (result.baseline, result.control)
        row(made, *(column.cell(each) for column in kept), style="bold" if marked else "")
    console.print(made)
    lacking = [column.head for column in columns if column not in kept and column.head != _TITLE]
    if lacking:
        console.say(f"Wider terminals also show: {', '.join(lacking)}.")


def columns_for(rows: Sequence["Row"], result: "EvalResult") -> list[TerminalColumn]:
    """The columns that any of the rows fills; the first is the method."""

    def against_baseline(each: "Row") -> str:
        if each.method == result.baseline:
            return "upper bound" if each.is_bound else "baseline"
        return points(each.difference, each.against_baseline)

    def against_control(each: "Row") -> str:
        if each.method == result.control:
            return "control"
        return points(each.control_difference, each.against_control)

    every: list[tuple[str | None, TerminalColumn]] = [
        (None, TerminalColumn("method", 99, lambda each: each.method)),
        (None, TerminalColumn(_TITLE, 0, lambda each: each.title)),
        ("top1", TerminalColumn("top-1", 99, top1)),
        ("mean_precision", TerminalColumn("mAP", 99, mean_precision)),
        ("macro_f1", TerminalColumn("F1", 85, lambda each: percent(each.macro_f1))),
        ("difference", TerminalColumn(f"vs {result.baseline}", 90, against_baseline)),
        ("control_difference", TerminalColumn("vs control", 80, against_control)),
        ("worst_group", TerminalColumn("worst", 50, lambda each: percent(each.worst_group))),
        ("ece", TerminalColumn("ECE", 40, lambda each: figure(each.ece, 3))),
        ("set_size", TerminalColumn("set", 60, lambda each: figure(each.set_size, 1))),
        ("coverage", TerminalColumn("cover", 60, lambda each: percent(each.coverage))),
        ("tree_distance", TerminalColumn("steps", 60, lambda each: figure(each.tree_distance, 2))),
        ("cluster_accuracy", TerminalColumn("cluster", 85, lambda each: percent(each.cluster_accuracy))),
        (
            "semantic_similarity",
            TerminalColumn("similar", 84, lambda each: percent(each.semantic_similarity)),
        ),
        (None, TerminalColumn("asked", 70, lambda each: f"{each.llm_requests:,}")),
        (None, TerminalColumn("texts", 45, lambda each: f"{each.texts:,}")),
        (None, TerminalColumn("s", 30, lambda each: f"{each.seconds:.1f}")),
    ]
    made: list[TerminalColumn] = []
    for field, column in every:
        filled = len(rows) if field is None else sum(getattr(each, field) is not None for each in rows)
        if filled:
            # What few methods have goes before what most have.
            made.append(column if 2 * filled >= len(rows) else replace(column, need=column.need // 2))
    return made


def fitting(columns: Sequence[TerminalColumn], rows: Sequence["Row"], width: int) -> list[TerminalColumn]:
    """The columns that fit into so many columns of the terminal, without the least needed ones."""
    sizes = {
        column.head: max(len(column.head), *(len(column.cell(each)) for each in rows)) for column in columns
    }
    kept = list(columns)
    while len(kept) > 2 and 1 + sum(sizes[column.head] + _AROUND for column in kept) > width:
        kept.remove(min(kept, key=lambda column: column.need))
    return kept


def top1(each: "Row") -> str:
    """Accuracy with its interval: "9.9 (6.0–14.3)"."""
    return _with_ends(each.top1, each.ci95)


def mean_precision(each: "Row") -> str:
    """Mean average precision with its interval."""
    return _with_ends(each.mean_precision, each.mean_precision_ci95)


def _with_ends(value: float | None, ends: tuple[float, float] | None) -> str:
    between = "" if ends is None else f" ({100 * ends[0]:.1f}–{100 * ends[1]:.1f})"
    return _NONE if value is None else percent(value) + between


def points(difference: float | None, verdict: "Verdict | None") -> str:
    """A difference in points, with a star where it is more than chance."""
    if difference is None:
        return _NONE
    return f"{100 * difference:+.1f}" + ("*" if verdict in ("beats", "behind") else "")


def percent(value: float | None) -> str:
    """A share in percent, without the sign."""
    return share(value).removesuffix("%")


def figure(value: float | None, digits: int) -> str:
    """A number, or a dash."""
    return _NONE if value is None else f"{value:.{digits}f}"
