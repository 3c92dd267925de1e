"""CoOp's split files and draws; what is no split file, or would lead out of the folder, is refused."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.datasets.coop import few_shots, is_split, read_split_file
from fieldmark.tools.datasets.labelled import Rows

RIGHT = {"train": [["a/0.png", 0, "a"], ["b/0.png", 1, "b"]], "val": [], "test": [["b/1.png", 1, "b"]]}


def split_file(folder: Path, value: Any) -> Path:
    path = folder / "split_zhou_X.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_the_classes_stand_in_the_order_of_the_labels(tmp_path: Path) -> None:
    value = {"train": [["x/1.png", 1, "owl"], ["x/0.png", 0, "wren"]], "test": [["x/2.png", 2, "an elk"]]}
    found = read_split_file(split_file(tmp_path, value), tmp_path / "images")
    assert found.classes == ("wren", "owl", "an elk")
    assert found.ordered
    assert found.own_names
    assert found.rows["train"][0] == (tmp_path / "images" / "x" / "1.png", "owl")
    assert {part: len(rows) for part, rows in found.rows.items()} == {"train": 2, "val": 0, "test": 1}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not a split with a list 'train'"),
        ({"train": {"a.png": "a"}}, "not a split"),
        ({"test": [["a", 0, "a"]]}, "not a split"),
        (RIGHT | {"test": "x"}, "has a text as 'test'"),
        (RIGHT | {"test": [["a.png", 0]]}, "row 0 of 'test'"),
        (RIGHT | {"test": [["a.png", "0", "a"]]}, "row 0 of 'test'"),
        (RIGHT | {"test": [["a.png", True, "a"]]}, "row 0 of 'test'"),
        (RIGHT | {"test": [[3, 0, "a"]]}, "row 0 of 'test'"),
        (RIGHT | {"test": [["a.png", 0, " "]]}, "a blank for row 0"),
        (RIGHT | {"test": [["a.png", 0, "b"]]}, "has label 0 for 'a' and, in row 0 of 'test', 'b'"),
        (RIGHT | {"test": [["a.png", 2, "b"]]}, "has the class 'b' as label 1 and as label 2"),
        (RIGHT | {"test": [["a.png", 7, "c"]]}, "has the label 7; labels must be 0, 1, 2"),
        (RIGHT | {"test": [["a.png", -1, "c"]]}, "has the label -1"),
    ],
)
def test_what_is_no_split_file(tmp_path: Path, value: Any, says: str) -> None:
    path = split_file(tmp_path, value)
    with pytest.raises(InputError) as told:
        read_split_file(path, tmp_path)
    assert says in told.value.message
    assert repr(str(path)) in told.value.message


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "", "a\0b"]
)
def test_a_path_that_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="lies outside of"):
        read_split_file(split_file(tmp_path, RIGHT | {"test": [[name, 0, "a"]]}), tmp_path)


def test_told_apart_from_other_json() -> None:
    assert is_split(RIGHT)
    assert not any(is_split(each) for each in ({}, [], None, {"train": {"a": "b"}}, {"0": "a"}))


def rows_of(**counts: tuple[int, int]) -> Rows:
    return {
        part: [
            (Path(f"{part}/{name}{n}"), name)
            for name, count in zip("ab", each, strict=True)
            for n in range(count)
        ]
        for part, each in counts.items()
    }


def test_draws_are_those_of_one_generator_class_by_class() -> None:
    rows = rows_of(train=(9, 7), val=(6, 6))
    drawn = few_shots(rows, ("a", "b"), shots=5, seed=3)
    chance = Random(3)
    assert drawn["train"] == [*chance.sample(rows["train"][:9], 5), *chance.sample(rows["train"][9:], 5)]
    assert drawn["val"] == [*chance.sample(rows["val"][:6], 4), *chance.sample(rows["val"][6:], 4)]


def test_a_small_class_is_drawn_with_replacement_and_each_image_kept_once() -> None:
    rows = rows_of(train=(2, 6))
    drawn = few_shots(rows, ("a", "b"), shots=4, seed=1)
    chance = Random(1)
    again = chance.choices(rows["train"][:2], k=4)
    assert drawn["train"] == [*dict.fromkeys(again), *chance.sample(rows["train"][2:], 4)]
    assert drawn["val"] == []


def test_no_shots_and_strange_classes() -> None:
    rows = rows_of(train=(2, 2), val=(1, 1))
    assert few_shots(rows, ("a", "b"), shots=0, seed=1) == {"train": [], "val": []}
    assert {label for _, label in few_shots(rows, ("b",), shots=1, seed=1)["train"]} == {"b"}
