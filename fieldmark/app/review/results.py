"""Searches for prompts and tables of methods as people look at them: pages, and what can be taken away."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from fieldmark.app.review.listing import State, all_folders, kind_of, name_of, state_of
from fieldmark.errors import FieldmarkError
from fieldmark.reading import read_text
from fieldmark.records import Record
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import manifest_of_stop

if TYPE_CHECKING:  # the first page lists results, and loads neither graphs nor reports
    from fieldmark.evals.report.table.page import SettingPage
    from fieldmark.evals.table.records import EvalResult

Kind = Literal["optimize", "eval"]
KINDS: tuple[Kind, ...] = ("optimize", "eval")
RESULT = "result.json"
BOOKS = ("book.json", "start_book.json", RESULT)
"""What a search gives away."""


class ResultSummary(Record):
    """A search or a table at a glance."""

    run_id: str
    kind: Kind
    name: str = ""
    """What it is called; empty where nobody named it."""
    created: str = ""
    """ISO 8601, UTC."""
    state: State
    damage: str = ""


@dataclass(frozen=True)
class SearchSoFar:
    """How far a search is that has no result yet.

    Attributes:
        generations: How many are done.
        stage: What the last one changed: "templates", "sampling" or "classes"; empty before the first.
        scored: Candidates that were scored.
        curve: Fitness of the fittest so far by generation; None before the first.
        folds: Folds that were searched without.
        held_out: Top-1 on images searched by and on those held out, over the search, mean over these folds,
            where a unit costs nothing; None before the first.
    """

    generations: int
    stage: str
    scored: int
    curve: Markup | None
    folds: int
    held_out: Markup | None


def result_folders(parent: Path) -> dict[str, tuple[Kind, RunFolder]]:
    """Searches and tables in a folder by name, the latest first."""
    if not parent.is_dir():
        return {}
    kinds = {path.name: (kind_of(path), path) for path in all_folders(parent)}
    return {
        name: (kind, RunFolder(path)) for name, (has, path) in kinds.items() for kind in KINDS if has == kind
    }


def list_results(parent: Path) -> tuple[ResultSummary, ...]:
    """Searches and tables in a folder, the latest first."""
    return tuple(summary_of_result(kind, run) for kind, run in result_folders(parent).values())


def summary_of_result(kind: Kind, run: RunFolder) -> ResultSummary:
    """One of them; neither a model nor a result is read."""
    try:
        state = state_of(run, manifest_of_stop(run))
        created = run.config.created
    except FieldmarkError as error:
        return ResultSummary(
            run_id=run.run_id, kind=kind, name=name_of(run), state="damaged", damage=error.message
        )
    return ResultSummary(run_id=run.run_id, kind=kind, name=name_of(run), created=created, state=state)


def has_result(run: RunFolder) -> bool:
    """Whether it came to its end."""
    return (run.path / RESULT).is_file()


def climb_of(run: RunFolder) -> SearchSoFar:
    """How far a search is, from what it wrote down so far.

    Raises:
        OSError: The file cannot be read.
    """
    from fieldmark.agents.optimize.folds import curves_so_far
    from fieldmark.agents.optimize.history import CURVE
    from fieldmark.evals.report.held_out import held_out_steps
    from fieldmark.evals.report.optimize import fitness_steps

    path = run.path / CURVE
    lines = read_text(path).splitlines() if path.is_file() else []
    rows: list[Mapping[str, object]] = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last one is being written
            break
    points = [(int(str(row["generation"])), float(str(row["fitness"]))) for row in rows]
    folds = curves_so_far(run.path)
    free = [each for each in folds if each.penalty == folds[0].penalty]
    return SearchSoFar(
        generations=len(rows),
        stage=str(rows[-1]["stage"]) if rows else "",
        scored=sum(int(str(row["scored"])) for row in rows),
        curve=fitness_steps(points) if len(points) > 1 else None,
        folds=len({each.fold for each in folds}),
        held_out=held_out_steps(free) if free else None,
    )


def search_page(run: RunFolder) -> dict[str, object]:
    """What the page of a finished search names.

    Raises:
        RunError: A file of the run is missing or broken.
    """
    from fieldmark.evals.report.optimize import search_values

    return search_values(run)


@dataclass(frozen=True)
class MethodTables:
    """A table of methods, read from its run.

    Attributes:
        run: Its folder.
        result: All rows.
        pages: What the page says of each setting.
    """

    run: RunFolder
    result: "EvalResult"
    pages: "tuple[SettingPage, ...]"

    @classmethod
    def open(cls, run: RunFolder) -> "MethodTables":
        """Read one.

        Raises:
            RunError: A file of the run is missing or broken.
        """
        from fieldmark.evals.report.table.page import setting_pages
        from fieldmark.evals.table.join import runs_behind
        from fieldmark.evals.table.records import EvalResult

        result = run.read(RESULT, EvalResult)
        return cls(run, result, tuple(setting_pages(result, runs_behind(run))))

    @property
    def heads(self) -> list[str]:
        """The columns that its tables can be sorted by."""
        every = [column.head for page in self.pages for table in page.tables for column in table.columns]
        return list(dict.fromkeys(every))

    def values(self, *, order: str = "", rising: bool = False) -> dict[str, object]:
        """What the page names; rows in the order of a column, where one is named."""
        from fieldmark.evals.report.table.page import in_order, table_values

        pages = [in_order(page, order, rising=rising) for page in self.pages]
        return table_values(self.run, self.result, pages)

    def files(self) -> dict[str, str]:
        """Tables and plots to take away, by name."""
        from fieldmark.evals.report.table.page import table_files

        return table_files(self.result, self.pages)
