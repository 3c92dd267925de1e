"""Tables are data: no spreadsheet runs a cell, no terminal obeys one."""

import csv
import io

import pytest

from fieldmark.tools.runs.csv_table import csv_text, joined, parted
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.tools.runs.test_run_folder import prediction


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", '=cmd|"/c calc"!A1', " =1", "\t=1", "\n@x"])
def test_a_cell_is_no_formula(text: str) -> None:
    written = csv_text(["a"], [[text]])
    [[_], [cell]] = csv.reader(io.StringIO(written, newline=""))
    assert cell == f"'{text}"


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x00", "\x9b", "\x7f", "\u202e", "\x08"])
def test_a_cell_commands_no_terminal(sign: str) -> None:
    written = csv_text(["a"], [[f"a{sign}[31mb"]])
    assert sign not in written
    assert "[31mb" in written


@pytest.mark.parametrize("names", [("a",), ("a", "b c"), ("a|b", "c"), ("a\\", "b"), ("a\\|", "|b", "\\\\")])
def test_names_in_one_cell_are_told_apart(names: tuple[str, ...]) -> None:
    assert tuple(parted(joined(names))) == names
    assert joined(["a|b", "c"]) == r"a\|b|c"


def test_numbers_and_other_texts_stay_as_they_are() -> None:
    rows = [[-0.5, None, True, 3, "a-b", "it's", 'a "b", c', "x\ny", "Zaunkönig 🦜"]]
    [_, cells] = csv.reader(io.StringIO(csv_text(["n"] * 9, rows), newline=""))
    assert cells == ["-0.5", "", "True", "3", "a-b", "it's", 'a "b", c', "x\ny", "Zaunkönig 🦜"]


def test_the_predictions_of_a_run_are_written_so(tmp_path) -> None:
    run = RunFolder(tmp_path)
    shown = {"decided_by": "vlm", "vlm_label": "y", "vlm_confidence": 0.5, "vlm_rationale": "@now\x1b[2J"}
    run.write_predictions([prediction("=evil.png", "\x1b]0;x\x07").model_copy(update=shown)])
    data = (tmp_path / "predictions.csv").read_text(encoding="utf-8")
    assert "\x1b" not in data
    [row] = csv.DictReader(io.StringIO(data, newline=""))
    assert row["image"] == "'=evil.png"
    assert row["label"] == r"\x1b]0;x\x07"
    assert (row["decision"], row["decided_by"], row["vlm_label"]) == ("y", "vlm", "y")
    assert row["vlm_rationale"] == r"'@now\x1b[2J"
    assert row["vlm_failure"] == ""
    assert row["margin"] == "-0.5"
