"""What users give as class names and paths."""

import json
from pathlib import Path

import pytest

from fieldmark.app.evaluate.inputs import OwnData, read_captions
from fieldmark.app.inputs import check_classes, find_given, read_class_names
from fieldmark.errors import ClassNamesError, NoImagesError
from fieldmark.records.names import one_name
from fieldmark.tools.images.files import ImageFile

LONG = tuple(f"warbler number {n}" for n in range(40))
"""Joined, they are longer than the name of a file may be (255 bytes)."""


@pytest.mark.parametrize("count", [2, 20, 40])
def test_a_list_of_names_may_be_longer_than_a_file_name(count: int) -> None:
    assert read_class_names(", ".join(LONG[:count])) == list(LONG[:count])


def test_a_file_of_names_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("wren\nrobin\n\n", encoding="utf-8-sig")
    assert read_class_names(str(tmp_path / "classes.txt")) == ["wren", "robin"]


def test_a_file_of_names_may_have_comments(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("# birds of 2026\nwren\n#\n  # more\n#1 hit\nC#\n")
    assert read_class_names(str(tmp_path / "classes.txt")) == ["wren", "#1 hit", "C#"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("A", "a"), ("ozmawex hawk", "Ozmawex_hawk"), ("wren ", "wren"), ("sea  gull", "sea gull")],
)
def test_two_spellings_of_one_name_are_no_rivals(one: str, other: str) -> None:
    with pytest.raises(ClassNamesError, match=f"'{one}' and '{other}' are one name in two spellings"):
        check_classes([one, "heron", other])
    assert check_classes([one, "heron"]) == (one_name(one), "heron")
    assert check_classes(name for name in (one, "heron")) == (one_name(one), "heron")
    with pytest.raises(ClassNamesError, match="a set, whose order changes"):
        check_classes({one, "heron"})


def test_a_name_that_is_listed_twice_is_told_so() -> None:
    with pytest.raises(ClassNamesError, match="'wren' is listed twice"):
        check_classes(["wren", "heron", "".join(["wr", "en"])])
    with pytest.raises(ClassNamesError, match="'wren' is listed twice"):
        check_classes(["wren", "wren"])


def test_a_file_that_is_not_there_and_a_folder_are_told() -> None:
    with pytest.raises(ClassNamesError, match="no file"):
        read_class_names("/nowhere/" + "x" * 300 + ".txt")
    with pytest.raises(ClassNamesError, match="is a folder"):
        read_class_names(".")


def test_images_at_a_path_that_cannot_be_do_not_exist() -> None:
    with pytest.raises(NoImagesError, match="not exist"):
        find_given("x" * 300)


def test_data_may_be_named_by_what_no_file_can_be_named() -> None:
    own = OwnData(source="x" * 300)
    assert own.name == own.stated()["source"] == "x" * 300


def test_a_caption_may_hold_exotic_line_ends(tmp_path: Path) -> None:
    said = "a wren\u2028on a\u0085twig"
    (tmp_path / "c.jsonl").write_text(
        json.dumps({"image": "a.png", "caption": said}, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    pool = (ImageFile(path=tmp_path / "a.png", content_hash="x"),)
    assert read_captions(tmp_path / "c.jsonl", tmp_path, pool) == (pool, (said,))


def test_a_class_name_in_a_file_may_hold_exotic_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("wren\u2028brown\r\nfinch\r\n\r\n".encode())
    assert read_class_names(str(path)) == ["wren\u2028brown", "finch"]
