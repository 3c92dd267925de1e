"""A ProAPO dataset folder: what is read, where test images come from, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.datasets.proapo import (
    few_shot_file,
    is_proapo_folder,
    read_class_list,
    read_proapo_folder,
)

NAMES = ("wavy", "banded", "zigzagged")


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of three classes with five pictures each, two few-shot files and no test list."""
    at = tmp_path / "dtd"
    write(at / "label_to_category_name.json", {str(label): name for label, name in enumerate(NAMES)})
    for c, name in enumerate(NAMES):
        for n in range(5):
            file = tmp_path / "images" / name / f"{n}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (60 * c + n, 9, 7)).save(file)
    for shots in (1, 2):
        train = {f"{name}/{n}.png": name for name in NAMES for n in range(shots)}
        val = {f"{name}/4.png": name for name in NAMES}
        write(at / f"fewshot_dataset/seed_1_num_shots_{shots}.json", {"train": train, "val": val})
    write(at / "category_description/CuPL_base.json", {n: [f"A {n} texture has many lines."] for n in NAMES})
    write(
        at / "category_description/DCLIP.json", {n: ["lines that never end", "a dark ground"] for n in NAMES}
    )
    write(at / "category_synonym/gpt.json", {n: [n, f"{n} pattern"] for n in NAMES})
    return at


def read(folder: Path, shots: int = 1, seed: int = 1, images: str = "images") -> tuple[LabelledImages, Any]:
    return read_proapo_folder(folder, images=folder.parent / images, shots=shots, seed=seed)


def names(images: Any) -> list[str]:
    return [f"{image.path.parent.name}/{image.path.stem}" for image in images]


def test_everything_in_it_is_read(folder: Path) -> None:
    assert is_proapo_folder(folder)
    assert not is_proapo_folder(folder.parent)
    found, given = read(folder, shots=2)
    assert found.classes == NAMES
    assert names(found.train) == ["wavy/0", "wavy/1", "banded/0", "banded/1", "zigzagged/0", "zigzagged/1"]
    texts = {(p.origin.file, p.text) for p in given.prompts if p.class_name == "wavy"}
    assert texts == {
        ("CuPL_base.json", "A wavy texture has many lines."),
        ("DCLIP.json", "wavy, which has lines that never end"),
        ("DCLIP.json", "wavy, which is a dark ground"),
    }
    assert [word for word, _ in given.synonyms["wavy"]] == ["wavy", "wavy pattern"]
    assert given.notes == ()


def test_without_a_test_list_the_images_left_are_taken_and_it_is_said(folder: Path) -> None:
    found, _ = read(folder)
    assert names(found.test) == [f"{name}/{n}" for name in sorted(NAMES) for n in (1, 2, 3)]
    assert "not the published test split" in " ".join(found.notes)


def test_a_root_of_another_shape_has_no_test_images_and_it_is_said(folder: Path) -> None:
    flat = folder.parent / "flat"
    for shots in (1, 2):
        train = {f"{name}_{n}.png": name for name in NAMES for n in range(shots)}
        write(folder / f"fewshot_dataset/seed_1_num_shots_{shots}.json", {"train": train, "val": {}})
    flat.mkdir()
    for file in sorted((folder.parent / "images").glob("*/*.png")):
        file.rename(flat / f"{file.parent.name}_{file.name}")
    found, _ = read(folder, images="flat")
    assert len(found.train) == 3
    assert found.test == ()
    assert "no list of test images, and the image root has no folders" in " ".join(found.notes)


def test_the_split_file_names_the_test_images(folder: Path) -> None:
    write(
        folder / "split.json", {"train": {}, "val": {}, "test": {"wavy/3.png": "wavy", "wavy/0.png": "wavy"}}
    )
    found, _ = read(folder)
    assert names(found.test) == ["wavy/3"]  # wavy/0 is a training image
    assert "those of split.json" in " ".join(found.notes)


def test_repeats_and_a_class_without_images(folder: Path) -> None:
    train = {"wavy/0.png": "wavy", "wavy/0.png ***": "wavy", "banded/0.png": "banded"}
    write(folder / "fewshot_dataset/seed_1_num_shots_2.json", {"train": train, "val": {}})
    found, _ = read(folder, shots=2)
    assert names(found.train) == ["wavy/0", "banded/0"]
    assert "no training image" in found.notes[0]
    assert "zigzagged" in found.notes[0]


def test_a_class_described_by_nothing_is_noted(folder: Path) -> None:
    write(folder / "category_description/CuPL_base.json", {n: ["It has many long lines."] for n in NAMES[:2]})
    write(
        folder / "category_description/DCLIP.json",
        {"wavy": [], "banded": ["two long lines"], "zigzagged": []},
    )
    _, given = read(folder)
    assert "CuPL_base.json describes 2 of 3 classes; not zigzagged." in given.notes
    assert "DCLIP.json describes 1 of 3 classes; not wavy, zigzagged." in given.notes
    assert "zigzagged" not in {p.class_name for p in given.prompts}


def test_a_few_shot_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError) as refused:
        read(folder, shots=4)
    assert str(refused.value).endswith("4 shots. It has seed 1 with shots 1, 2.")
    with pytest.raises(InputError, match="It has none at all"):
        few_shot_file(folder / "nowhere", shots=1, seed=1)


@pytest.mark.parametrize(
    ("file", "value", "says"),
    [
        (
            "category_description/AWT.json",
            {"wavy": ["x"], "spotty": ["y"]},
            "AWT.json.*spotty; it lacks banded",
        ),
        ("category_synonym/gpt.json", {"wavy": ["x"], "spotty": ["y"]}, "gpt.json.*spotty"),
        ("split.json", {"train": {}, "test": {"a.png": "spotty"}}, "split.json.*does not list: spotty"),
        ("fewshot_dataset/seed_1_num_shots_1.json", {"train": {"a.png": "spotty"}}, "does not list: spotty"),
        ("fewshot_dataset/seed_1_num_shots_1.json", {"val": {}}, "no list of images"),
        ("fewshot_dataset/seed_1_num_shots_1.json", {"train": [["a.png"]]}, "no list of images"),
        ("fewshot_dataset/seed_1_num_shots_1.json", "[" * 100_000, "nested too deeply"),
        ("category_description/AWT.json", '{"wavy": [1]}', "a number as entry 0"),
        ("category_synonym/gpt.json", "{", "is no JSON"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, file: str, value: Any, says: str) -> None:
    write(folder / file, value)
    with pytest.raises(InputError, match=says):
        read(folder)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (["a", "b"], "not an object of labels"),
        ({"0": "a", "2": "b"}, "the label '2'"),
        ({"0": "a", "01": "b"}, "the label '01'"),
        ({"0": "a", "1": 3}, "not a class name"),
        ({"0": "a", "1": " "}, "a blank for label 1"),
        ({"0": "a", "1": "a"}, "the class 'a' twice"),
        ('{"0": "a", "0": "b"}', "twice in one object"),
    ],
)
def test_a_class_list_of_another_shape_is_refused(tmp_path: Path, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_class_list(write(tmp_path / "list.json", value))


def test_one_class_is_too_few_and_twelve_keep_the_order_of_their_labels(tmp_path: Path) -> None:
    with pytest.raises(ClassNamesError):
        read_class_list(write(tmp_path / "one.json", {"0": "a"}))
    many = {str(label): f"class {label}" for label in range(12)}
    assert read_class_list(write(tmp_path / "many.json", many))[2] == "class 2"


def test_the_image_root_must_be_given_and_hold_the_images(folder: Path) -> None:
    with pytest.raises(InputError, match="in which folder the images are"):
        read_proapo_folder(folder, images=None, shots=1, seed=1)
    with pytest.raises(NoImagesError, match="no such file"):
        read(folder, images="elsewhere")
