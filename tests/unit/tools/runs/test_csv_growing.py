"""A table that grows keeps what it had, and knows its images."""

import csv
import os
from pathlib import Path

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.runs.csv_growing import GrowingCsv
from fieldmark.tools.runs.csv_table import csv_text

HEAD = ("image", "label")


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_rows_are_appended_below_one_head(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    GrowingCsv(path).append(csv_text(HEAD, [["a.png", "finch"]]))
    again = GrowingCsv(path)
    again.append(csv_text(HEAD, [["=b.png", 'a "wren",\nor so'], ["ü.png", "tit"]]))
    assert rows_of(path) == [
        ["image", "label"],
        ["a.png", "finch"],
        ["'=b.png", 'a "wren",\nor so'],
        ["ü.png", "tit"],
    ]
    table = GrowingCsv(path)
    assert [table.has(Path(name)) for name in ("a.png", "=b.png", "ü.png", "c.png")] == [True] * 3 + [False]


def test_a_row_without_its_end_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    GrowingCsv(path).append(csv_text(HEAD, [["a.png", "a\nfinch"], ["b.png", "tit"]]))
    path.write_bytes(path.read_bytes()[:-6])  # "b.pn" is what the power cut left
    table = GrowingCsv(path)
    assert table.has(Path("a.png"))
    assert not table.has(Path("b.png"))
    table.append(csv_text(HEAD, [["b.png", "wren"]]))
    assert rows_of(path) == [["image", "label"], ["a.png", "a\nfinch"], ["b.png", "wren"]]


@pytest.mark.parametrize("text", [b"image,label\r\na,x\r\nb,y\nc,w\n", b"image,label\na,x\nb,y\nc,w"])
def test_rows_that_people_wrote_stay(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(text)
    table = GrowingCsv(path)
    assert [table.has(Path(name)) for name in "abcd"] == [True, True, True, False]
    table.append(csv_text(HEAD, [["d", "z"]]))
    assert rows_of(path) == [["image", "label"], ["a", "x"], ["b", "y"], ["c", "w"], ["d", "z"]]


def test_other_tables_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(b"name,age\r\nx,1\r\n")
    with pytest.raises(InputError, match="no column"):
        GrowingCsv(path)
    path.write_bytes(b"image,age\r\nx,1\r\n")
    with pytest.raises(InputError, match="other columns"):
        GrowingCsv(path).append(csv_text(HEAD, [["a.png", "finch"]]))
    assert path.read_bytes() == b"image,age\r\nx,1\r\n"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as a table"):
        GrowingCsv(path)
    with pytest.raises(InputError, match="cannot be read as a table"):
        GrowingCsv(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="cannot be read as a table"):
        GrowingCsv(tmp_path / "fifo")
    with pytest.raises(InputError, match="not there, or not ours"):
        GrowingCsv(tmp_path / "no folder" / "labels.csv")
