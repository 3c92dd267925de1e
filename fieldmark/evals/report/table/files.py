"""Writes the tables of an evaluation as CSV and LaTeX: for spreadsheets and for papers."""

from collections.abc import Sequence

from fieldmark.evals.report.table.columns import NONE, columns_for, tags_of
from fieldmark.evals.report.words import clean
from fieldmark.evals.table.arrange import tables
from fieldmark.evals.table.records import EvalResult, Row
from fieldmark.tools.runs.csv_table import Cell, csv_text

_FIGURES = (
    "images", "top1", "ci95", "top5", "macro", "worst_group", "worst_group_name", "ece", "set_size",
    "coverage", "tree_distance", "cluster_accuracy", "mean_precision", "macro_f1", "difference",
    "difference_ci95", "p_holm", "control_difference", "control_difference_ci95", "p_holm_control",
    "spread", "llm_requests", "llm_failed", "prompt_tokens", "completion_tokens", "texts", "seconds",
)  # fmt: skip
"""Fields of a row, in order; an interval becomes two columns."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": r"\textendash{}",
    "±": r"$\pm$",
}  # fmt: skip


def table_csv(result: EvalResult) -> str:
    """All rows of all settings, one a line, with plain numbers; shares are in 0..1.

    Methods without figures have a line with the reason.
    """
    head = ["data", "setting", "method", "title", "source", "tags", "outcome", "reason"]
    for field in _FIGURES:
        head += [f"{field}_low", f"{field}_high"] if field.endswith("ci95") else [field]
    return csv_text(head, [_line(row, result) for row in result.rows])


def table_tex(result: EvalResult, groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """The tables as LaTeX with the package booktabs, one a setting.

    Args:
        result: What was measured.
        groups: Title and rows of each setting.
    """
    parts = ["% Needs \\usepackage{booktabs}. Every number comes from table.csv."]
    for number, (title, rows) in enumerate(groups):
        parts += [_tabular(done, result, title, number) for done in tables(rows)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_SPECIAL.get(sign, sign) for sign in " ".join(clean(text).split()))


def _line(row: Row, result: EvalResult) -> list[Cell]:
    cells: list[Cell] = [row.data, row.setting, row.method, row.title, row.source]
    cells += [", ".join(tags_of(row, result)), row.outcome, row.reason]
    for field in _FIGURES:
        value = getattr(row, field)
        if field.endswith("ci95"):
            cells += [None, None] if value is None else list(value)
        else:
            cells.append(value)
    return cells


def _tabular(rows: Sequence[Row], result: EvalResult, title: str, number: int) -> str:
    columns = [column for column in columns_for(rows, result) if column.head != "Time"]
    lines = [" & ".join(map(escaped, ["Method", *(column.head for column in columns)])) + r" \\"]
    for row in rows:
        cells = [column.cell(row) for column in columns]
        texts = [f"{c.text} ({c.below[0]})" if c.below and c.text != NONE else c.text for c in cells]
        lines.append(" & ".join(map(escaped, [row.title, *texts])) + r" \\")
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    images = f"{rows[0].images:,} test images; 95\\% intervals resample whole classes."
    return "\n".join(
        (
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escaped(title)}. {images}}}",
            rf"\label{{tab:eval-{number}}}",
            rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"\toprule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        )
    )
