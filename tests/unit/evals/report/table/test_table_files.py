"""The tables of an evaluation as CSV and LaTeX, and its plots as SVG files."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

from fieldmark.evals.report.table.files import escaped, table_csv, table_tex
from fieldmark.evals.report.table.page import write_table_report
from fieldmark.evals.table.join import SettingRuns
from tests.unit.evals.report.tables_to_report import METHODS_HERE, evaluation, four, left_out, run, truth


def test_the_csv_has_every_row_with_plain_numbers(tmp_path: Path) -> None:
    other = SettingRuns(truth("other"), [run("base", (0,), setting="other"), left_out("asks", "=no")])
    _, result = evaluation(tmp_path, [four(), other], METHODS_HERE)
    rows = list(csv.DictReader(io.StringIO(table_csv(result))))
    assert len(rows) == len(result.rows)
    asks = next(row for row in rows if row["method"] == "asks" and row["setting"] == "new")
    own = next(row for row in result.rows if row.method == "asks" and row.setting == "new")
    assert (float(asks["top1"]), float(asks["difference"])) == (own.top1, own.difference)
    assert own.ci95 is not None
    assert (float(asks["ci95_low"]), float(asks["ci95_high"])) == own.ci95
    lacking = next(row for row in rows if row["outcome"] == "left_out")
    assert (lacking["top1"], lacking["reason"]) == ("", "'=no")


def test_the_latex_has_a_table_a_setting_and_escapes_what_latex_reads(tmp_path: Path) -> None:
    _, result = evaluation(tmp_path, [four()], METHODS_HERE)
    text = table_tex(result, [("photos & co_2", result.rows)])
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"\caption{photos \& co\_2." in text
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 1 + sum(row.outcome == "done" for row in result.rows)
    assert len({line.count(" & ") for line in lines}) == 1
    assert escaped("50% of $x_1 {a} ^ ~ \\ −3") == (
        r"50\% of \$x\_1 \{a\} \textasciicircum{} \textasciitilde{} \textbackslash{} $-$3"
    )


def test_a_report_leaves_tables_and_plots_beside_the_page(tmp_path: Path) -> None:
    folder, result = evaluation(tmp_path, [four()], METHODS_HERE)
    (folder.path / "plots").mkdir()
    (folder.path / "plots" / "9-old.svg").touch()
    page = write_table_report(folder, result, [four()]).read_text(encoding="utf-8")
    assert {"table.csv", "table.tex", "table.md", "plots"} <= {path.name for path in folder.path.iterdir()}
    plots = sorted(path.name for path in (folder.path / "plots").iterdir())
    assert plots == ["1-questions.svg", "1-texts.svg", "1-top1.svg"]
    for name in plots:
        text = (folder.path / "plots" / name).read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "var(" not in text
        assert f'href="plots/{name}"' in page
    assert 'href="table.csv"' in page
