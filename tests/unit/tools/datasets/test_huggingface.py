"""Rows of the library `datasets`: columns are found, labels checked, and nothing is fetched."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image as Pillow
from tiny_sets import picture

from fieldmark.errors import InputError
from fieldmark.tools.datasets.huggingface import name_and_split, open_with_datasets, read_rowset
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.reading import read_test_set
from fieldmark.tools.datasets.unpacked import PictureFolder, open_picture_folder


class Image:
    """Stands for `datasets.Image`, which is told by its name."""


class ClassLabel:
    """Stands for `datasets.ClassLabel`."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)


class Rows:
    """Obeys what `read_rowset` uses of `datasets.Dataset`."""

    def __init__(self, features: dict[str, Any], rows: list[dict[str, Any]], mark: str = "") -> None:
        self.features = features
        self.rows = rows
        self._fingerprint = mark
        self.read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.read += 1
        return iter(self.rows)


def rows(*labels: Any, mark: str = "", first: int = 0, **features: Any) -> Rows:
    given = features or {"image": Image(), "label": ClassLabel("owl", "wren")}
    label = [name for name in given if name != "image"]
    made = [
        {"image": {"bytes": picture(first + n), "path": f"{n}.png"}} | dict.fromkeys(label, value)
        for n, value in enumerate(labels)
    ]
    return Rows(given, made, mark)


@pytest.fixture
def pictures(tmp_path: Path) -> PictureFolder:
    return open_picture_folder(tmp_path / "cache")


def read(
    pictures: PictureFolder, given: dict[str, Rows], *, train: bool = False, classes: Any = ()
) -> Listing:
    asked: list[tuple[str, str]] = []

    def open_split(name: str, split: str, working: Path) -> Rows:
        asked.append((name, split))
        return given[split]

    found = read_rowset(
        "hf:some/set:test", pictures, train=train, classes=tuple(classes), open_split=open_split
    )
    assert asked == [("some/set", part) for part in (["train", "test"] if train else ["test"])]
    return found


def test_pictures_and_labels(pictures: PictureFolder) -> None:
    found = read(pictures, {"test": rows(1, 0, 1)})
    assert found.classes == ("owl", "wren")
    assert not found.ordered
    assert [label for _, label in found.rows["test"]] == ["wren", "owl", "wren"]
    assert [path.read_bytes() for path, _ in found.rows["test"]] == [picture(n) for n in range(3)]


def test_training_rows_are_read_if_they_are_wanted(pictures: PictureFolder) -> None:
    found = read(pictures, {"test": rows(1), "train": rows(0, 1, first=5)}, train=True)
    assert {part: len(each) for part, each in found.rows.items()} == {"train": 2, "test": 1}
    other = rows(0, image=Image(), label=ClassLabel("owl", "heron"))
    with pytest.raises(InputError, match="has other classes in the split 'train'"):
        read(pictures, {"test": rows(1), "train": other}, train=True)


def test_nothing_is_read_twice(pictures: PictureFolder) -> None:
    given = rows(0, 1, mark="f00d")
    first = read(pictures, {"test": given})
    assert read(pictures, {"test": given}).rows == first.rows
    assert given.read == 1
    changed = rows(1, 1, mark="beef")
    assert [label for _, label in read(pictures, {"test": changed}).rows["test"]] == ["wren", "wren"]


def test_the_column_of_labels(pictures: PictureFolder) -> None:
    several = rows(0, image=Image(), coarse_label=ClassLabel("bird"), fine_label=ClassLabel("owl", "wren"))
    assert read(pictures, {"test": several}).classes == ("owl", "wren")
    unnamed = rows(0, image=Image(), breed=ClassLabel("owl", "wren"), age=ClassLabel("old"))
    assert read(pictures, {"test": unnamed}, classes=["x", "y"]).classes == ("owl", "wren")
    with pytest.raises(InputError, match=r"several label columns \(breed, age\)"):
        read(pictures, {"test": unnamed})
    bare = rows(1, image=Image(), label=object())
    assert [label for _, label in read(pictures, {"test": bare}, classes=["x", "y"]).rows["test"]] == ["y"]
    with pytest.raises(InputError, match="no column of class labels with names"):
        read(pictures, {"test": bare})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (rows(0, label=ClassLabel("a", "b")), "0 columns of images"),
        (rows(2), "has in row 0 the label 2; there are 2 classes"),
        (rows(0, -1), "has in row 1 the label -1"),
        (rows(None), "has in row 0 the label None"),
        (rows(True), "has in row 0 the label True"),
        (rows("owl"), "has in row 0 the label 'owl'"),
        (
            Rows({"image": Image(), "label": ClassLabel("a", "b")}, [{"image": None, "label": 0}]),
            "no image in row 0",
        ),
        (
            Rows(
                {"image": Image(), "label": ClassLabel("a", "b")},
                [{"image": {"bytes": None, "path": "/no/such.png"}, "label": 0}],
            ),
            "the image of row 0 cannot be read",
        ),
    ],
)
def test_rows_that_do_not_fit(pictures: PictureFolder, given: Rows, says: str) -> None:
    with pytest.raises(InputError) as told:
        read(pictures, {"test": given})
    assert says in told.value.message


def test_names_and_splits() -> None:
    assert name_and_split("hf:a/b:validation") == ("a/b", "validation")
    assert name_and_split("hf:a/b") == ("a/b", "test")
    for wrong in ("hf:", "hf::", "hf:a/b:", "hf::test"):
        with pytest.raises(InputError, match="names no data set"):
            name_and_split(wrong)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="need the library `datasets`") as told:
        read_test_set("hf:some/set:test", cache=tmp_path)
    assert told.value.hint == "Install it: pip install 'fieldmark[datasets]'"


def test_a_folder_of_that_name_is_not_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", ModuleType("datasets"))
    with pytest.raises(InputError, match="need the library `datasets`"):
        read_test_set("hf:some/set:test", cache=tmp_path)


def installed() -> Any:
    """The library itself; the folder of these tests has its name, too."""
    library = pytest.importorskip("datasets")
    if not hasattr(library, "load_from_disk"):
        pytest.skip("the library `datasets` is not installed")
    return library


def test_a_set_saved_to_disk(tmp_path: Path) -> None:
    library = installed()
    features = library.Features({"img": library.Image(), "label": library.ClassLabel(names=["owl", "wren"])})

    def made(*numbers: int) -> Any:
        images = [Pillow.open(io.BytesIO(picture(n))) for n in numbers]
        return library.Dataset.from_dict(
            {"img": images, "label": [n % 2 for n in numbers]}, features=features
        )

    library.DatasetDict({"train": made(4, 5, 6, 7), "test": made(0, 1, 2)}).save_to_disk(tmp_path / "both")
    made(1, 2).save_to_disk(tmp_path / "one")
    found = read_test_set(f"hf:{tmp_path / 'both'}:test", cache=tmp_path / "cache", shots=1)
    assert [image.label for image in found.test] == ["owl", "wren", "owl"]
    assert sorted(str(image.label) for image in found.train) == ["owl", "wren"]
    assert read_test_set(f"hf:{tmp_path / 'both'}:test", cache=tmp_path / "cache", shots=1) == found
    alone = read_test_set(f"hf:{tmp_path / 'one'}", cache=tmp_path / "cache")
    assert [image.label for image in alone.test] == ["wren", "owl"]
    with pytest.raises(InputError, match="the split 'none' is none of train, test"):
        read_test_set(f"hf:{tmp_path / 'both'}:none", cache=tmp_path / "cache")


def test_a_folder_that_the_library_reads(tmp_path: Path) -> None:
    installed()
    for number, name in enumerate(("owl", "wren")):
        path = tmp_path / "folder" / "test" / name / "0.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(picture(number))
    found = read_test_set(f"hf:{tmp_path / 'folder'}:test", cache=tmp_path / "cache")
    assert [(image.label, image.path.read_bytes()) for image in found.test] == [
        ("owl", picture(0)),
        ("wren", picture(1)),
    ]
    with pytest.raises(InputError, match="Unknown split"):
        open_with_datasets(str(tmp_path / "folder"), "none", tmp_path / "arrow")


def test_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("datasets")
    library.load_dataset = None  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "datasets", library)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(InputError, match="nothing is fetched from here") as told:
        read_test_set("hf:nobody/has-this:test", cache=tmp_path)
    assert told.value.hint == "Fetch it once: hf download --repo-type dataset nobody/has-this"
    with pytest.raises(InputError, match="nothing is fetched from here"):
        read_test_set("hf:no such//name:test", cache=tmp_path)
