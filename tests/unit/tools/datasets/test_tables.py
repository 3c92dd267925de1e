"""CSV files with groups, with the split in another file, and with class names in another file."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.datasets.domain import published_dataset
from fieldmark.tools.datasets.layouts import CsvLayout
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.tables import read_table

WATERBIRDS = (
    "img_id,img_filename,y,split,place,place_filename\n"
    '1,"001/a.jpg",0,0,1,x\n2,002/b.jpg,1,2,0,x\n3,001/c.jpg,0,2,0,x\n4,002/d.jpg,1,1,1,x\n'
)


def table(name: str) -> CsvLayout:
    return next(each for each in published_dataset(name).layouts if isinstance(each, CsvLayout))


def read(root: Path, name: str, **files: str) -> Listing:
    layout = table(name)
    for file, text in files.items():
        path = root / layout.folder / f"{file}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return read_table(layout, root)


def test_groups_are_class_and_place(tmp_path: Path) -> None:
    found = read(tmp_path, "waterbirds", metadata=WATERBIRDS)
    assert found.classes == ("landbird", "waterbird")
    assert [(path.name, label) for path, label in found.rows["test"]] == [
        ("b.jpg", "waterbird"),
        ("c.jpg", "landbird"),
    ]
    assert [found.groups[path] for path, _ in found.rows["test"]] == ["waterbird, land", "landbird, land"]
    assert [len(found.rows[part]) for part in ("train", "val")] == [1, 1]


def test_the_split_may_stand_in_another_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "celeba",
        list_attr_celeba="image_id,Blond_Hair,Male\n1.jpg,-1,1\n2.jpg,1,-1\n",
        list_eval_partition="image_id,partition\n2.jpg,2\n1.jpg,0\n",
    )
    assert found.classes == ("dark hair", "blond hair")
    [(path, label)] = found.rows["test"]
    assert (path, label) == (tmp_path / "celeba" / "img_align_celeba" / "2.jpg", "blond hair")
    assert found.groups[path] == "blond hair, female"


def test_the_names_may_stand_in_another_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "iwildcam",
        metadata="filename,y,split\na.jpg,1,test\nb.jpg,0,train\nc.jpg,0,id_test\n",
        categories="category_id,name,y\n0,empty,0\n5,ocelot,1\n9,unicorn,99999\n",
    )
    assert found.classes == ("empty", "ocelot")
    assert {part: [label for _, label in rows] for part, rows in found.rows.items()} == {
        "test": ["ocelot"],
        "train": ["empty"],
    }


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "metadata.csv' cannot be read"),
        ({"metadata": "img_filename,y\n"}, "has no column 'place'"),
        ({"metadata": ""}, "has no column"),
        ({"metadata": "img_filename,y,place,split\na.jpg,0\n"}, "is too short in line 2"),
        ({"metadata": "img_filename,y,place,split\na.jpg,2,0,2\n"}, "has in line 2 the y '2'"),
        ({"metadata": "img_filename,y,place,split\na.jpg,0,5,2\n"}, "has in line 2 the place '5'"),
        ({"metadata": "img_filename,y,place,split\n../../a.jpg,0,0,2\n"}, "lies outside of"),
        ({"metadata": f"img_filename,y,place,split\n{'x' * 200_000},0,0,2\n"}, "is no CSV file"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, files: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as told:
        read(tmp_path, "waterbirds", **files)
    assert says in told.value.message


def test_files_that_do_not_fit_each_other(tmp_path: Path) -> None:
    attributes = "image_id,Blond_Hair,Male\n1.jpg,-1,1\n"
    with pytest.raises(InputError, match=r"has no row for '1\.jpg'"):
        read(
            tmp_path,
            "celeba",
            list_attr_celeba=attributes,
            list_eval_partition="image_id,partition\n2.jpg,2\n",
        )
    rows = "filename,y,split\na.jpg,1,test\n"
    with pytest.raises(InputError, match="the y '1'"):
        read(tmp_path, "iwildcam", metadata=rows, categories="y,name\n0,empty\n")
    with pytest.raises(InputError, match="has no class 0"):
        read(tmp_path, "iwildcam", metadata=rows, categories="y,name\n4,empty\n")
    with pytest.raises(InputError, match="a class name twice"):
        read(tmp_path, "iwildcam", metadata=rows, categories="y,name\n0,empty\n1,empty\n")


def test_mame_names_its_mediums_in_words(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "mame",
        MAMe_dataset="Image file,Medium,Museum,Museum-based instance ID,Subset,Width\n"
        "436018.jpg,Oil on canvas,Met,29.100.60,train,3144\n11.jpg,Iron,Met,9.9,test,20\n",
    )
    assert len(found.classes) == 29
    assert found.rows["test"] == [(tmp_path / "mame" / "data" / "11.jpg", "Iron")]
    assert found.rows["train"][0][1] == "Oil on canvas"
    with pytest.raises(InputError, match="'Plastic', which is not known"):
        read(tmp_path, "mame", MAMe_dataset="Image file,Medium,Subset\n1.jpg,Plastic,test\n")
