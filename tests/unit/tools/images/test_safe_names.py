"""Names of folders out of any text."""

from pathlib import Path

import pytest

from fieldmark.tools.images.safe_names import LONGEST, safe_names

HOSTILE = (
    "..",
    ".",
    "",
    "   ",
    "../../etc/passwd",
    "/etc",
    "a/b",
    "a\\b",
    "C:\\x",
    "con",
    "NUL.txt",
    "lpt1",
    "\x00\x1b[31m",
    "a\u202eb",
    "wren" * 100,
    "🪶" * 100,
    "name.",
    "name ",
    "~",
    "-rf",
    "\ud800",
    "<>:|?*",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_in_its_folder(text: str, tmp_path: Path) -> None:
    name = safe_names([text])[text]
    made = tmp_path / name
    made.mkdir()
    assert made.resolve().parent == tmp_path.resolve()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert len(name.encode()) <= LONGEST + 1
    assert name == name.strip(". ")
    assert name.casefold() not in ("con", "nul.txt", "lpt1")


def test_plain_names_stay_as_they_are() -> None:
    texts = ["wren", "House Sparrow", "Mönchsgrasmücke", "シジュウカラ", "C++", "O'Brien's (2)"]
    assert safe_names(texts) == {text: text for text in texts}


def test_names_that_a_file_system_takes_for_one_another_get_numbers() -> None:
    texts = ["Wren", "wren", "WREN.", "o\u0308", "\u00f6", "a/b", "a:b", "open", "Wren"]
    names = safe_names(texts, taken=("open", "rejected"))
    assert list(names) == list(dict.fromkeys(texts))
    assert names["wren"] == "wren-2"
    assert names["open"] == "open-2"
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert names == safe_names(texts, taken=("open", "rejected"))
