"""A finished search and a finished table for the studio to show, made of records."""

from pathlib import Path

from fieldmark.evals.table.run import RUNS, TRUTH
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.tables_to_report import METHODS_HERE, evaluation, four
from tests.unit.evals.report.test_report_optimize import run_of


def made_search(place: Path) -> RunFolder:
    """A search in `runs` of this folder."""
    return run_of(place)


def made_table(place: Path) -> RunFolder:
    """A table of four methods in `runs` of this folder."""
    folder, result = evaluation(place, [setting := four()], METHODS_HERE)
    (inside := folder.path / RUNS / "new").mkdir(parents=True)
    own = RunFolder(inside)
    own.write(TRUTH, setting.truth)
    for each in setting.runs:
        own.write(f"{each.method}.json", each)
    folder.write("result.json", result)
    return folder
