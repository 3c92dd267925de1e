"""Writes the report of an evaluation: all methods in one table, accuracy per cost, trust, who fails where."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from fieldmark.evals.report import figures
from fieldmark.evals.report.classify import REPORT
from fieldmark.evals.report.page import PLOTS, Script, render, write_page
from fieldmark.evals.report.plot_files import interval_plot
from fieldmark.evals.report.table.by_class import ByClass, by_class
from fieldmark.evals.report.table.columns import (
    TAGS,
    Cell,
    TableColumn,
    columns_for,
    macro_is_top1,
    tags_of,
)
from fieldmark.evals.report.table.files import table_csv, table_tex
from fieldmark.evals.report.table.markdown import markdown
from fieldmark.evals.report.table.scatter import Scatter, Spot, frontier, scatter
from fieldmark.evals.report.table.trust import Trust, trust_of
from fieldmark.evals.report.words import few_classes, percent
from fieldmark.evals.table.arrange import Missing, missing, tables
from fieldmark.evals.table.join import SettingRuns
from fieldmark.evals.table.records import ALPHA, EvalResult, Row, TestRecord
from fieldmark.evals.table.sources.published import PUBLISHED, PublishedFigure
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.records import RunManifest
from fieldmark.tools.runs.folder import RunFolder

MARKDOWN, CSV, LATEX = "table.md", "table.csv", "table.tex"
MOST_TRUST = 12
"""Reliability diagrams that are shown at once; the others unfold."""
MOST_OPEN = 2
"""Settings whose details are open; of more, the reader opens what he wants."""


@dataclass(frozen=True)
class MethodRow:
    """One line of a setting's table.

    Attributes:
        row: The row.
        tags: What stands beside its name.
        plot: Its dot and interval; empty where it predicts no class.
        cells: One for each column.
        costs: One for each column of costs.
        published: What papers print of the same.
    """

    row: Row
    tags: tuple[str, ...]
    plot: Markup
    cells: tuple[Cell, ...]
    costs: tuple[Cell, ...]
    published: tuple[PublishedFigure, ...]


@dataclass(frozen=True)
class MethodTable:
    """One table of a setting.

    Attributes:
        rows: The methods.
        columns: Its columns.
        costs: Those that say what a method takes.
        ticks: Numbers of the plots' axis; None where no method predicts a class.
    """

    rows: tuple[MethodRow, ...]
    columns: tuple[TableColumn, ...]
    costs: tuple[TableColumn, ...]
    ticks: Markup | None


@dataclass(frozen=True)
class CostPlot:
    """Accuracy against one kind of cost.

    Attributes:
        what: The cost: "questions".
        drawn: The drawing, with a name or a number at every spot.
    """

    what: str
    drawn: Scatter

    @property
    def best(self) -> tuple[Spot, ...]:
        """The methods that no cheaper one reaches."""
        return tuple(frontier(self.drawn.spots))


@dataclass(frozen=True)
class SettingPage:
    """All that the page says of one setting.

    Attributes:
        title: Data and setting.
        anchor: Where links to it lead.
        truth: Its test images.
        tables: One table, or two: methods without any of the given classes have their own.
        missing: Methods that were left out, or failed, by reason.
        noted: Methods with notes or figures of their own.
        wide: Why intervals are wide, where they are.
        floor: Why the table cannot tell methods apart, where it cannot.
        macro_is_top1: Whether macro accuracy has no column because it is top-1.
        costs: Accuracy per cost.
        trust: Reliability diagrams.
        where: Classes and groups.
        beaten: How many methods beat the control, and of how many; None where there is no control.
    """

    title: str
    anchor: str
    truth: TestRecord
    tables: tuple[MethodTable, ...]
    missing: tuple[Missing, ...]
    noted: tuple[Row, ...]
    wide: str
    floor: str
    macro_is_top1: bool
    costs: tuple[CostPlot, ...]
    trust: tuple[Trust, ...]
    where: ByClass | None
    beaten: tuple[int, int] | None

    @property
    def rows(self) -> tuple[MethodRow, ...]:
        """The methods of all its tables."""
        return tuple(row for each in self.tables for row in each.rows)

    @property
    def best(self) -> Row | None:
        """The row with the highest top-1, upper bounds aside."""
        return max(self._rivals, key=lambda row: row.main or 0, default=None)

    @property
    def best_without_labels(self) -> Row | None:
        """The same among methods that use no labels."""
        without = [row for row in self._rivals if MethodNeed.LABELS.value not in row.needs]
        return max(without, key=lambda row: row.main or 0, default=None)

    @property
    def _rivals(self) -> list[Row]:
        return [each.row for each in self.rows if each.row.main is not None and not each.row.is_bound]


def write_table_report(run: RunFolder, result: EvalResult, settings: Sequence[SettingRuns]) -> Path:
    """Write `report.html` and `table.md` into the folder of an evaluation, or of several joined.

    Returns:
        Path of the page.

    Raises:
        RunError: The manifest is broken, or a file cannot be written.
    """
    pages = setting_pages(result, settings)
    groups = [(page.title, rows_of_setting(result, page.truth), page.floor) for page in pages]
    write_page(run.path / MARKDOWN, markdown(result, groups))
    (run.path / PLOTS).mkdir(exist_ok=True)
    for old in (run.path / PLOTS).glob("*.svg"):
        old.unlink()
    for name, text in table_files(result, pages).items():
        run.write_text(name, text)
    values = table_values(run, result, pages)
    html = render("table.html", run=run.path, script=Script.named("sort.js"), **values)
    return write_page(run.path / REPORT, html)


def setting_pages(result: EvalResult, settings: Sequence[SettingRuns]) -> list[SettingPage]:
    """All that the page says of each setting, in the order of the result."""
    places = {(row.data, row.setting): place for place, row in reversed(list(enumerate(result.rows)))}
    ordered = sorted(
        settings, key=lambda each: places.get((each.truth.data, each.truth.setting), len(places))
    )
    return [page_of(each, result, number) for number, each in enumerate(ordered)]


def in_order(page: SettingPage, head: str, *, rising: bool) -> SettingPage:
    """A setting's tables with their rows in the order of a column; rows without a figure come last."""

    def sorted_by(table: MethodTable) -> MethodTable:
        heads = [column.head for column in table.columns]
        if head not in heads:
            return table
        place, sign = heads.index(head), 1 if rising else -1

        def key(row: MethodRow) -> tuple[bool, float]:
            order = row.cells[place].order
            return (order is None, sign * (order or 0))

        return replace(table, rows=tuple(sorted(table.rows, key=key)))

    return replace(page, tables=tuple(map(sorted_by, page.tables)))


def table_values(run: RunFolder, result: EvalResult, pages: Sequence[SettingPage]) -> dict[str, object]:
    """What the page of an evaluation names."""
    has_manifest = (run.path / "manifest.json").is_file()
    printed = [figure for page in pages for each in page.rows for figure in each.published]
    return {
        "run_id": run.run_id,
        "created": run.config.created,
        "result": result,
        "manifest": run.read("manifest.json", RunManifest) if has_manifest else None,
        "notes": [note for note in result.notes if not any(note in page.truth.notes for page in pages)],
        "settings": pages,
        "measured": len({each.row.method for page in pages for each in page.rows}),
        "overview": overview(pages) if len(pages) > 1 else None,
        "tags": {tag: TAGS[tag] for tag in TAGS if any(tag in m.tags for p in pages for m in p.rows)},
        "published": PUBLISHED,
        "beside": [(figure, each.row) for page in pages for each in page.rows for figure in each.published],
        "fitting": [figure for figure in PUBLISHED if figure in printed],
        "opened": len(pages) <= MOST_OPEN,
        "most_trust": MOST_TRUST,
    }


def table_files(result: EvalResult, pages: Sequence[SettingPage]) -> dict[str, str]:
    """Tables and plots to take away, by their names in a run's folder: CSV, LaTeX, SVG."""
    groups = [(page.title, rows_of_setting(result, page.truth)) for page in pages]
    made = {CSV: table_csv(result), LATEX: table_tex(result, groups)}
    for number, page in enumerate(pages, 1):
        for place, each in enumerate(page.tables):
            rows = [(m.row.title, m.plot, percent(m.row.main)) for m in each.rows if m.plot]
            if each.ticks is not None and rows:
                what = "Mean average precision" if page.truth.shown else "Top-1"
                title = f"{what} with 95% intervals: {page.title}"
                name = f"{PLOTS}/{number}-top1{'-words' if place else ''}.svg"
                made[name] = interval_plot(rows, each.ticks, title=title)
        for plot in page.costs:
            made[f"{PLOTS}/{number}-{plot.what}.svg"] = plot.drawn.alone
    return made


def page_of(setting: SettingRuns, result: EvalResult, number: int) -> SettingPage:
    """All that the page says of one setting."""
    truth = setting.truth
    rows = rows_of_setting(result, truth)
    done = [row for row in rows if row.outcome == "done"]
    known = [row for row in done if row.main is not None and not row.is_bound]
    verdicts = [row.against_control for row in known if row.against_control is not None]
    title = f"{truth.data}, {truth.setting}"
    where = by_class(setting, known, result)
    first = {each.method for each in where.chosen} if where is not None else set[str]()
    return SettingPage(
        title=title,
        anchor=f"setting-{number}",
        truth=truth,
        tables=tuple(method_table(each, result) for each in tables(rows)),
        missing=tuple(missing(rows)),
        noted=tuple(row for row in done if row.notes or row.diagnostics),
        wide=wide_note(truth, known),
        floor=floor_note(truth, known),
        macro_is_top1=macro_is_top1(done),
        costs=cost_plots(known, result, title),
        trust=tuple(trust_of(setting, sorted(known, key=lambda row: row.method not in first))),
        where=where,
        beaten=(verdicts.count("beats"), len(verdicts)) if verdicts else None,
    )


def method_table(rows: Sequence[Row], result: EvalResult) -> MethodTable:
    """One table of a setting."""
    every = columns_for(rows, result)
    columns = [column for column in every if not column.cost]
    costs = [column for column in every if column.cost]
    known = [row for row in rows if row.main is not None]
    axis = figures.Axis.of_shares([end for row in known for end in row.main_ci95 or (row.main or 0.0,)])
    control = next((row.main for row in known if row.method == result.control), None)
    return MethodTable(
        rows=tuple(_method_row(row, result, every, axis, control) for row in rows),
        columns=tuple(columns),
        costs=tuple(costs),
        ticks=figures.tick_labels(axis) if known else None,
    )


def rows_of_setting(result: EvalResult, truth: TestRecord) -> list[Row]:
    """The rows of one setting of one data set."""
    return [row for row in result.rows if (row.data, row.setting) == (truth.data, truth.setting)]


def kind_of(row: Row, result: EvalResult) -> str:
    """Class name of a method's colour: baseline, control, or how it stands against the control."""
    if row.method == result.control:
        return "control"
    return "baseline" if row.method == result.baseline else row.against_control or "alike"


def _method_row(
    row: Row, result: EvalResult, columns: Sequence[TableColumn], axis: figures.Axis, control: float | None
) -> MethodRow:
    plot = Markup("")
    if row.main is not None:
        ends = row.main_ci95 or (row.main, row.main)
        plot = figures.interval(row.main, ends, axis, kind=kind_of(row, result), level=control)
    return MethodRow(
        row=row,
        tags=tags_of(row, result),
        plot=plot,
        cells=tuple(column.cell(row) for column in columns if not column.cost),
        costs=tuple(column.cell(row) for column in columns if column.cost),
        published=tuple(
            figure
            for figure in PUBLISHED
            if figure.fits(row.method, data=row.data, clip=result.clip, shots=result.shots)
        ),
    )


def wide_note(truth: TestRecord, rows: Sequence[Row]) -> str:
    """Why intervals are wide, where one is: a few classes stand for all that there might have been."""
    return few_classes([row.main_ci95 for row in rows if row.main_ci95 is not None], len(set(truth.labels)))


def floor_note(truth: TestRecord, rows: Sequence[Row]) -> str:
    """Why no method can differ significantly from the control, where the classes are too few for it.

    The sign of each class's difference is flipped: with G classes no p is below 2 / 2^G, and Holm multiplies
    the smallest by the number of rows.
    """
    compared = sum(row.p_vs_control is not None for row in rows)
    classes = len(set(truth.labels))
    smallest = 2.0 ** (1 - classes)
    if not compared or smallest * compared < ALPHA:
        return ""
    return (
        f"With {classes} classes p cannot fall below {smallest:.2g}, and for {compared} methods it counts "
        f"{compared} times: this table cannot show that a method beats the control."
    )


def cost_plots(rows: Sequence[Row], result: EvalResult, where: str) -> tuple[CostPlot, ...]:
    """Top-1 against questions, and against texts; labels are a cost of another kind."""
    made: list[CostPlot] = []
    for what, field in (("questions", "llm_requests"), ("texts", "texts")):
        spots = [
            Spot(
                row.title,
                getattr(row, field),
                row.main or 0.0,
                kind_of(row, result),
                apart=MethodNeed.LABELS.value in row.needs,
            )
            for row in rows
        ]
        spots.sort(key=lambda spot: spot.kind in ("baseline", "control"))  # uppermost
        plot = scatter(spots, title=f"Top-1 against {what} needed: {where}")
        if plot is not None:
            made.append(CostPlot(what, plot))
    return tuple(made)


@dataclass(frozen=True)
class OverviewRow:
    """One method over all settings.

    Attributes:
        title: Its title.
        tags: What stands beside its name.
        rows: Its row of each setting; None where it has no accuracy there.
    """

    title: str
    tags: tuple[str, ...]
    rows: tuple[Row | None, ...]


def overview(pages: Sequence[SettingPage]) -> list[OverviewRow]:
    """Every method with an accuracy, over all settings."""
    known = [{each.row.method: each for each in page.rows if each.row.main is not None} for page in pages]
    named = {method: each for page in known for method, each in page.items()}
    return [
        OverviewRow(
            title=each.row.title,
            tags=each.tags,
            rows=tuple(page[method].row if method in page else None for page in known),
        )
        for method, each in named.items()
    ]
