"""Sets that torchvision reads: its readers list the images, and broken files are errors."""

import hashlib
import json
from pathlib import Path

import pytest
from torchvision import datasets

from fieldmark.errors import InputError, NoImagesError
from fieldmark.tools.datasets.domain import published_dataset
from fieldmark.tools.datasets.layouts import TorchvisionSet
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.reading import read_test_set
from fieldmark.tools.datasets.torchvision_sets import read_torchvision

FOOD = {
    "meta/test.json": json.dumps({"pizza": ["pizza/7"], "apple_pie": ["apple_pie/1"]}),
    "meta/train.json": json.dumps({"pizza": ["pizza/8"], "apple_pie": ["apple_pie/2"]}),
}
TEXTURES = {
    "labels/test1.txt": "dotted/d_1.jpg\nbanded/b_1.jpg\n",
    "labels/train1.txt": "dotted/d_2.jpg\n",
    "labels/val1.txt": "banded/b_3.jpg\n",
}
PLACES = {
    "categories_places365.txt": "/a/airfield 0\n/a/arrival_gate/outdoor 1\n",
    "places365_val.txt": "v_1.jpg 1\nv_2.jpg 0\n",
}
AIRCRAFT = {
    "variants.txt": "707-320\nF-16A/B\n",
    "images_variant_test.txt": "002 F-16A/B\n001 707-320\n",
    "images_variant_train.txt": "3 707-320\n",
    "images_variant_val.txt": "4 707-320\n",
}


@pytest.fixture(autouse=True)
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists of Places365 are made up here, and so are their checksums."""

    def md5(name: str) -> tuple[str, str]:
        return name, hashlib.md5(PLACES[name].encode()).hexdigest()

    monkeypatch.setattr(datasets.Places365, "_CATEGORIES_META", md5("categories_places365.txt"))
    monkeypatch.setattr(datasets.Places365, "_FILE_LIST_META", {"val": md5("places365_val.txt")})


def layout_of(name: str) -> TorchvisionSet:
    return next(each for each in published_dataset(name).layouts if isinstance(each, TorchvisionSet))


def read(root: Path, name: str, files: dict[str, str], *, train: bool = False) -> Listing:
    layout = layout_of(name)
    (root / layout.folder / layout.images).mkdir(parents=True)
    for file, text in files.items():
        path = root / layout.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_torchvision(layout, root, train=train)


@pytest.mark.parametrize(
    ("name", "files", "classes", "test", "train"),
    [
        ("food101", FOOD, ("apple_pie", "pizza"), ["pizza/7.jpg pizza", "apple_pie/1.jpg apple_pie"], 2),
        ("dtd", TEXTURES, ("banded", "dotted"), ["dotted/d_1.jpg dotted", "banded/b_1.jpg banded"], 1),
        ("aircraft", AIRCRAFT, ("707-320", "F-16A/B"), ["002.jpg F-16A/B", "001.jpg 707-320"], 1),
        (
            "places365",
            PLACES,
            ("airfield", "arrival_gate outdoor"),
            ["v_1.jpg arrival_gate outdoor", "v_2.jpg airfield"],
            None,
        ),
    ],
)
def test_a_set_is_listed(
    tmp_path: Path,
    name: str,
    files: dict[str, str],
    classes: tuple[str, ...],
    test: list[str],
    train: int | None,
) -> None:
    layout = layout_of(name)
    images = tmp_path / layout.folder / layout.images
    found = read(tmp_path, name, files)
    assert found.classes == classes
    assert [f"{path.relative_to(images).as_posix()} {label}" for path, label in found.rows["test"]] == test
    assert list(found.rows) == ["test"]
    both = read_torchvision(layout, tmp_path, train=True)
    assert (len(both.rows["train"]) if "train" in both.rows else None) == train


def test_a_root_that_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(tmp_path, "aircraft", AIRCRAFT)
    monkeypatch.chdir(tmp_path)
    found = read_torchvision(layout_of("aircraft"), Path(), train=False)
    assert found.rows["test"][0][0] == Path("fgvc-aircraft-2013b/data/images/002.jpg")


@pytest.mark.parametrize(
    ("name", "changed", "says"),
    [
        ("food101", {}, "torchvision cannot read the test images"),
        ("food101", {"meta/test.json": "{"}, "torchvision cannot read the test images"),
        ("food101", {"meta/test.json": "[]"}, "torchvision cannot read the test images"),
        ("food101", {"meta/test.json": '{"a": ["../../b"]}'}, "lies outside of"),
        ("dtd", {"labels/test1.txt": "../b.jpg"}, "lies outside of"),
        ("dtd", {"labels/test1.txt": "b.jpg"}, "torchvision cannot read the test images"),
        ("aircraft", AIRCRAFT | {"images_variant_test.txt": "1 F-18"}, "KeyError: 'F-18'"),
        ("aircraft", AIRCRAFT | {"images_variant_test.txt": "/etc/hosts 707-320"}, "lies outside of"),
        ("places365", PLACES | {"places365_val.txt": "v_1.jpg 1\n"}, "RuntimeError: The file"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, name: str, changed: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as told:
        read(tmp_path, name, changed)
    assert says in told.value.message
    assert layout_of(name).marker in told.value.message


def test_counts_and_missing_images_are_still_named(tmp_path: Path) -> None:
    read(tmp_path, "food101", FOOD)
    with pytest.raises(InputError, match="lacks 99 of the 101 classes of Food-101"):
        read_test_set("food101", root=tmp_path)
    with pytest.raises(NoImagesError, match="No usable image"):
        read_test_set("food101", root=tmp_path, part=True)
