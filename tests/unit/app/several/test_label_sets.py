"""Labels of which an image may have several, in each form that is read."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.app.inputs import find_given
from fieldmark.app.several.labels import LabelledSets, read_label_sets
from fieldmark.errors import InputError

CLASSES = ("red cap", "hooked bill", "long|tail")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((8, 8, 3), 40 * number, dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def read(labels: object, photos: Path) -> LabelledSets:
    return read_label_sets(labels, find_given(photos).images, CLASSES)  # pyright: ignore[reportArgumentType]


def rows(found: LabelledSets) -> dict[str, list[str]]:
    """Of each image "1" for a class that holds, "0" for one that does not, "?" where nobody said."""
    return {
        image.path.name: ["01"[t] if k else "?" for t, k in zip(truth, known, strict=True)]
        for image, truth, known in zip(found.images, found.truth.tolist(), found.known.tolist(), strict=True)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "image,labels\n0.png,red cap|Hooked_Bill\n1.png,none\n2.png,\n",
            {"0.png": ["1", "1", "0"], "1.png": ["0", "0", "0"]},
        ),
        (r"image,labels" "\n" r"0.png,red cap|long\|tail" "\n", {"0.png": ["1", "0", "1"]}),
        ("image,label\n0.png,red cap\n0.png,long|tail\n", {"0.png": ["1", "0", "1"]}),
        (
            "image,label,confidence\n0.png,red cap,1\n0.png,hooked bill,0\n2.png,red cap,0\n",
            {"0.png": ["1", "0", "?"], "2.png": ["0", "?", "?"]},
        ),
        (  # a first row without its last cell, a row that is none of the classes for certain
            "image,label,confidence\n0.png,,\n1.png,red cap,0\n2.png,none,1\n2.png,,1\n",
            {"1.png": ["0", "?", "?"], "2.png": ["0", "0", "0"]},
        ),
        ("image,labels\n0.png\n1.png,red cap\n", {"1.png": ["1", "0", "0"]}),
        (
            "image,Red cap,hooked_bill,taken at\n0.png,1,-1\n1.png,,1\n",
            {"0.png": ["1", "0", "?"], "1.png": ["?", "1", "?"]},
        ),
    ],
)
def test_tables(text: str, expected: dict[str, list[str]], photos: Path) -> None:
    table = photos.parent / "labels.csv"
    table.write_text(text)
    assert rows(read(table, photos)) == expected


def test_coco_categories_that_are_no_classes_are_passed_over(photos: Path) -> None:
    said = [("red cap", 0), ("person", 0), ("hooked bill", 0), ("person", 1)]
    names = ["red cap", "hooked bill", "person"]
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(3)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": names.index(name)} for n, (name, i) in enumerate(said)
        ],
    }
    file = photos.parent / "instances.json"
    file.write_text(json.dumps(coco))
    assert rows(read(file, photos)) == {"0.png": ["1", "1", "0"], "1.png": ["0", "0", "0"]}


def test_an_image_in_two_folders_has_two_labels(photos: Path) -> None:
    labelled = photos.parent / "labelled"
    for name in CLASSES[:2]:
        (labelled / name).mkdir(parents=True)
        (labelled / name / "x.png").write_bytes((photos / "0.png").read_bytes())
    (labelled / CLASSES[1] / "elsewhere.png").write_bytes(_photo(photos.parent / "new.png"))
    assert rows(read(labelled, photos)) == {"0.png": ["1", "1", "0"], "elsewhere.png": ["0", "1", "0"]}


def test_a_mapping_says_what_holds(photos: Path) -> None:
    assert rows(read({"1.png": ["red cap"], "2.png": []}, photos)) == {
        "1.png": ["1", "0", "0"],
        "2.png": ["0", "0", "0"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,labels\n0.png,blue cap\n", "none of the classes"),
        ("image,score\n0.png,1\n", "no columns image and labels"),
        ("image,red cap\n0.png,perhaps\n", "1 or 0"),
        ("image,labels\nmissing.png,red cap\n", "not there"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, said: str, photos: Path) -> None:
    table = photos.parent / "labels.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=said):
        read(table, photos)


def _photo(path: Path) -> bytes:
    Image.fromarray(np.full((8, 8, 3), 200, dtype=np.uint8)).save(path)
    return path.read_bytes()


def test_published_sets_in_their_own_files(photos: Path) -> None:
    voc = photos.parent / "annots"
    voc.mkdir()
    item = "<object><name>{}</name></object>"
    (voc / "a.xml").write_text(
        f"<annotation><filename>0.png</filename>{item.format('red cap')}{item.format('sky')}</annotation>"
    )
    (voc / "b.xml").write_text("<annotation><filename>1.png</filename></annotation>")
    # Objects that are no classes here say nothing; what is not named is not there.
    assert rows(read(voc, photos)) == {"0.png": ["1", "0", "0"], "1.png": ["0", "0", "0"]}
    (photos.parent / "class-descriptions-boxable.csv").write_text("/m/1,Red cap\n/m/2,Sky\n")
    (photos / "0c.jpg").write_bytes((photos / "2.png").read_bytes())
    table = photos.parent / "test-annotations-human-imagelabels-boxable.csv"
    table.write_text("ImageID,Source,LabelName,Confidence\n0c,verification,/m/1,0\n0c,x,/m/2,1\n")
    assert rows(read(table, photos)) == {"0c.jpg": ["0", "?", "?"]}


@pytest.mark.parametrize(
    "text",
    [
        "image,labels\n0.png,none\n0.png,red cap\n",
        "image,label,confidence\n0.png,red cap,1\n0.png,red cap,0\n",
        "image,label,confidence\n0.png,red cap\n1.png,red cap,1\n",
        "image,red cap,hoked bill\n0.png,1,1\n",
    ],
)
def test_labels_that_contradict_each_other_or_say_half_are_refused(text: str, photos: Path) -> None:
    table = photos.parent / "labels.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=r"contradict each other|is 1 or 0|hoked bill.* is none"):
        read(table, photos)
