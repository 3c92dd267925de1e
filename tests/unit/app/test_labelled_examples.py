"""Labelled images that a method learns from: a folder, a table, a mapping; of the pool or not."""

from pathlib import Path

import pytest
from PIL import Image

from fieldmark.app.inputs import find_given
from fieldmark.app.labels import read_examples
from fieldmark.errors import InputError

CLASSES = ("wren", "house sparrow")


def draw(path: Path, colour: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (colour, 9, 9)).save(path)
    return path


def test_a_folder_anywhere_gives_classes_by_its_folders(tmp_path: Path) -> None:
    pool = find_given(draw(tmp_path / "pool" / "a.png", 1)).images
    draw(tmp_path / "train" / "wren" / "a.png", 2)  # the same name, another picture
    draw(tmp_path / "train" / "House_Sparrow" / "b.png", 3)
    draw(tmp_path / "train" / "none of these" / "c.png", 4)
    found = read_examples(tmp_path / "train", pool, CLASSES)
    assert sorted((image.path.name, image.label) for image in found.images) == [
        ("a.png", "wren"),
        ("b.png", "house sparrow"),
    ]
    assert found.said == {}


def test_a_table_names_images_of_the_pool_and_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    pool = find_given([draw(tmp_path / "pool" / f"{name}.png", at) for at, name in enumerate("abc")]).images
    draw(tmp_path / "tables" / "more" / "d.png", 7)
    table = tmp_path / "tables" / "labels.csv"
    table.write_text("image,label\na.png,wren\nb.png,none of these\nc.png,?\nmore/d.png,house sparrow\n")
    found = read_examples(table, pool, CLASSES)
    assert [(image.path.name, image.label) for image in found.images] == [
        ("a.png", "wren"),
        ("d.png", "house sparrow"),
    ]
    assert found.said == {pool[0].content_hash: "wren", pool[1].content_hash: None}
    assert read_examples({"a.png": "wren", "b.png": None}, pool, CLASSES).said == {
        pool[0].content_hash: "wren",
        pool[1].content_hash: None,
    }


def test_what_is_no_class_or_is_not_there_is_refused(tmp_path: Path) -> None:
    pool = find_given(draw(tmp_path / "a.png", 1)).images
    with pytest.raises(InputError, match="'robin' is none of the classes"):
        read_examples({"a.png": "robin"}, pool, CLASSES)
    with pytest.raises(InputError, match=r"1 labelled images are not there, such as 'gone\.png'"):
        read_examples({"gone.png": "wren"}, pool, CLASSES)
