"""Text lists: a file a split, and the four lists of CUB-200-2011."""

from pathlib import Path

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.datasets.layouts import BirdLists, Lists
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.text_lists import read_bird_lists, read_lists, text_lines


def lists(tmp_path: Path, files: dict[str, str], *, train: bool = False) -> Listing:
    for name, text in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    layout = Lists(
        split="s",
        folder="set",
        files={"train": "train.txt", "test": "test.txt"},
        images="images",
        suffix=".jpg",
        classes="variants.txt",
    )
    return read_lists(layout, tmp_path, train=train)


def names(found: Listing, part: str, tmp_path: Path) -> list[tuple[str, str]]:
    root = tmp_path / "set" / "images"
    return [(path.relative_to(root).as_posix(), label) for path, label in found.rows[part]]


def test_the_class_is_the_rest_of_the_line(tmp_path: Path) -> None:
    files = {
        "variants.txt": "707-320\nF-16A/B\n",
        "test.txt": "002 F-16A/B\r\n\n001 707-320\n",
        "train.txt": "3 707-320",
    }
    found = lists(tmp_path, files)
    assert found.classes == ("707-320", "F-16A/B")
    assert found.ordered
    assert names(found, "test", tmp_path) == [("002.jpg", "F-16A/B"), ("001.jpg", "707-320")]
    assert "train" not in found.rows
    assert names(lists(tmp_path, files, train=True), "train", tmp_path) == [("3.jpg", "707-320")]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"variants.txt": "a"}, "test.txt' cannot be read"),
        ({"variants.txt": "a\nb", "test.txt": "1 a\n../2 b"}, "lies outside of"),
        ({"variants.txt": "a\nb", "test.txt": "/etc/passwd a"}, "lies outside of"),
        ({"variants.txt": "a\nb", "test.txt": "1 a\n2 d"}, "line 2 the class 'd'"),
        ({"variants.txt": "a\na", "test.txt": "1 a"}, "has a class twice"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, files: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as told:
        lists(tmp_path, files)
    assert says in told.value.message


def test_text_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("größe".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        text_lines(tmp_path / "x.txt")


BIRDS = {
    "images.txt": "1 001.Owl/a.jpg\n2 002.Wren/b.jpg\n3 002.Wren/c.jpg\n",
    "image_class_labels.txt": "1 1\n2 2\n3 2\n",
    "train_test_split.txt": "1 0\n2 1\n3 0\n",
    "classes.txt": "1 001.Owl\n2 002.Wren\n",
}


def birds(tmp_path: Path, **changed: str) -> Listing:
    for name, text in (BIRDS | {f"{name}.txt": text for name, text in changed.items()}).items():
        path = tmp_path / "CUB" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return read_bird_lists(BirdLists(split="s", folder="CUB"), tmp_path)


def test_the_lists_of_birds(tmp_path: Path) -> None:
    found = birds(tmp_path)
    assert found.classes == ("001.Owl", "002.Wren")
    root = tmp_path / "CUB" / "images"
    assert found.rows == {
        "train": [(root / "002.Wren" / "b.jpg", "002.Wren")],
        "test": [(root / "001.Owl" / "a.jpg", "001.Owl"), (root / "002.Wren" / "c.jpg", "002.Wren")],
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"image_class_labels": "1 1\n2 2\n"}, "image_class_labels.txt' has no line for image 3"),
        ({"train_test_split": "1 0\n2 1\n3 7\n"}, "has '7' for image 3"),
        ({"classes": "1 001.Owl\n"}, "has no class 2, which image 2 has"),
        ({"images": "1 ../../a.jpg\n"}, "lies outside of"),
        ({"images": "one a.jpg\n"}, "not NUMBER VALUE"),
        ({"images": "1 a.jpg\n1 b.jpg\n"}, "has the number 1 twice"),
    ],
)
def test_lists_of_birds_that_do_not_fit(tmp_path: Path, changed: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as told:
        birds(tmp_path, **changed)
    assert says in told.value.message
