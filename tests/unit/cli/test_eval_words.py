"""How the table of methods is said in a terminal, wide and narrow."""

from io import StringIO
from pathlib import Path

import pytest

from fieldmark.cli.eval.show import show, top1
from fieldmark.cli.terminal import PlainConsole
from fieldmark.evals.table.records import BOUND, EvalResult, Row

BASE = {"source": "x", "data": "aviary", "setting": "new", "outcome": "done", "images": 1600, "texts": 6400}
FIGURES = {"top1": 0.099, "ci95": (0.06, 0.143), "worst_group": 0.06, "ece": 0.0512, "seconds": 0.25}


def row(method: str, title: str, **more: object) -> Row:
    return Row.model_validate({"method": method, "title": title} | BASE | FIGURES | more)


ROWS = (
    row("clip", "CLIP, one template", control_difference=-0.005, p_holm_control=0.9),
    row("waffle", "WaffleCLIP, random words", difference=0.005, p_holm=0.9),
    row("dclip", "DCLIP, mean of cosines", difference=0.232, p_holm=0.001, control_difference=0.227,
        p_holm_control=0.049, llm_requests=80),
    row("dclip-max", "DCLIP, max of cosines", difference=-0.2, p_holm=0.05, control_difference=-0.2,
        p_holm_control=0.02),
)  # fmt: skip


def said(*rows: Row, width: int = 110, run: Path = Path("runs/x")) -> str:
    result = EvalResult(
        data="aviary", settings=tuple({each.setting for each in rows}), rows=rows, baseline="clip",
        control="waffle", clip="aviary", llm=None, seeds=2, shots=16, images_encoded=0, texts_encoded=0,
        seconds=1.0, run=str(run),
    )  # fmt: skip
    out = StringIO()
    show(result, PlainConsole(file=out, width=width, markup=False, emoji=False, highlight=False))
    return out.getvalue()


def lines(text: str, sign: str = "│") -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip(sign).split(sign)]
        for line in text.splitlines()
        if line.startswith(sign)
    ]


def test_at_110_columns_each_method_has_one_line() -> None:
    text = said(*ROWS)
    assert lines(text, "┃") == [
        ["method", "top-1", "vs clip", "vs control", "worst", "ECE", "asked", "texts", "s"]
    ]
    assert lines(text) == [
        ["clip", "9.9 (6.0–14.3)", "baseline", "-0.5", "6.0", "0.051", "0", "6,400", "0.2"],
        [
            "waffle",
            "9.9 (6.0–14.3)",
            "+0.5",
            "control",
            "6.0",
            "0.051",
            "0",
            "6,400",
            "0.2",
        ],
        [
            "dclip",
            "9.9 (6.0–14.3)",
            "+23.2*",
            "+22.7*",
            "6.0",
            "0.051",
            "80",
            "6,400",
            "0.2",
        ],
        ["dclip-max", "9.9 (6.0–14.3)", "-20.0", "-20.0*", "6.0", "0.051", "0", "6,400", "0.2"],
    ]
    assert "aviary, new: 1,600 images, 4 methods" in text and "Wider terminals" not in text


@pytest.mark.parametrize(
    ("width", "heads", "lacking"),
    [
        (86, "method top-1 vs clip vs control worst ECE asked texts", "s"),
        (69, "method top-1 vs clip vs control asked", "worst, ECE, texts, s"),
        (50, "method top-1 vs clip", "vs control, worst, ECE, asked, texts, s"),
    ],
)
def test_narrow_terminals_lose_what_is_needed_least(width: int, heads: str, lacking: str) -> None:
    text = said(*ROWS, width=width)
    assert " ".join(lines(text, "┃")[0]) == heads
    assert [line[0] for line in lines(text)] == ["clip", "waffle", "dclip", "dclip-max"]
    assert all(len(line) <= width for line in text.splitlines() if line.startswith(("│", "┃")))
    assert f"Wider terminals also show: {lacking}." in text


def test_titles_stand_beside_the_names_where_there_is_room() -> None:
    wide = said(*ROWS, width=140)
    assert lines(wide, "┃")[0][:3] == ["method", "title", "top-1"]
    assert [line[:2] for line in lines(wide)][2] == ["dclip", "DCLIP, mean of cosines"]
    narrow = said(*ROWS, width=100)
    assert len(lines(narrow, "┃")[0]) == 9 and lines(narrow)[2][0] == "dclip"
    assert "title" not in narrow


def test_methods_without_classes_have_a_table_of_their_own() -> None:
    none = {"top1": None, "ci95": None, "worst_group": None, "ece": None, "cluster_accuracy": 0.5}
    text = said(*ROWS, row("cased", "CaSED", **none))
    assert [head[:3] for head in lines(text, "┃")] == [
        ["method", "top-1", "vs clip"],
        ["method", "title", "cluster"],
    ]
    assert lines(text)[-1][:2] == ["cased", "CaSED"]


def test_an_upper_bound_is_no_baseline() -> None:
    bound = row("clip", "CLIP, one template", notes=(BOUND,), difference=0.0, p_holm=1.0)
    assert lines(said(bound))[0][3] == "upper bound"


def test_columns_are_there_where_a_row_fills_them() -> None:
    none = {"top1": None, "ci95": None, "worst_group": None, "ece": None}
    free = row("cased", "CaSED", cluster_accuracy=0.5, semantic_similarity=0.25, **none)
    assert lines(said(free)) == [["cased", "CaSED", "50.0", "25.0", "0", "6,400", "0.2"]]
    graded = row("loki", "Loki", tree_distance=1.25, set_size=2.5, coverage=0.9)
    assert lines(said(graded), "┃")[0] == [
        "method", "title", "top-1", "worst", "ECE", "set", "cover", "steps", "asked", "texts", "s",
    ]  # fmt: skip
    assert top1(free) == "–"


def test_a_column_that_few_methods_fill_goes_first() -> None:
    few = said(*ROWS, row("raps", "RAPS", set_size=2.5, coverage=0.9), width=99)
    assert "Wider terminals also show: set, cover." in few
    most = said(*(each.model_copy(update={"set_size": 2.5, "coverage": 0.9}) for each in ROWS), width=99)
    assert "Wider terminals also show: ECE, s." in most


def test_each_data_set_has_its_own_table() -> None:
    other = row("clip", "CLIP, one template", data="eurosat", setting="new", top1=0.5)
    text = said(*ROWS, other)
    assert "aviary, new: 1,600 images, 4 methods" in text and "eurosat, new: 1,600 images, 1 method " in text


def test_missing_methods_are_told_by_reason() -> None:
    out = {"outcome": "left_out", "reason": "needs names"}
    text = said(row("a", "One", **out), row("b", "Two", **out), row("c", "Three", reason="broke"))
    assert "Left out, needs names: a, b." in text and "One seed failed, broke: c." in text
    assert "aviary, new: no method could be measured." in said(row("a", "One", **out))


def test_the_reports_are_named_where_they_are(tmp_path: Path) -> None:
    assert "Report:" not in said(*ROWS, run=tmp_path)
    (tmp_path / "report.html").touch()
    (tmp_path / "table.md").touch()
    text = said(*ROWS, run=tmp_path)
    assert f"Report: {tmp_path / 'report.html'}" in text and f"Table: {tmp_path / 'table.md'}" in text
