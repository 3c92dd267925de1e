"""Tiny data sets in every layout: pictures of one colour each, a made-up published set, tar shards."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_sets import picture, sample, write_tar

from fieldmark.tools.datasets.domain import Domain

CLASSES = ("barn owl", "eagle", "wren")


@pytest.fixture
def draw() -> Callable[[Path, int], Path]:
    """Writes picture number N at a path."""

    def write(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
        return path

    return write


@pytest.fixture
def made_up() -> Callable[..., Domain]:
    """A published set that nobody published."""

    def make(**given: Any) -> Domain:
        facts: dict[str, Any] = {
            "id": "owls",
            "title": "Three Birds",
            "noun": "bird",
            "classes": CLASSES,
            "class_count": 3,
            "spellings": {"Tyto": "barn owl"},
            "template": "a photo of a {}, a type of bird.",
            "splits": [{"name": "usual", "train": 6, "val": 3, "test": 6, "source": "nobody"}],
            "layouts": [
                {
                    "kind": "split file",
                    "split": "usual",
                    "folder": "three_birds",
                    "file": "split_zhou_Birds.json",
                    "images": "images",
                }
            ],
            "source": "nobody",
        }
        return Domain.model_validate(facts | given)

    return make


@pytest.fixture
def coop_root(tmp_path: Path, draw: Callable[[Path, int], Path]) -> Path:
    """`three_birds` under a root: two training images a class, one to validate by, two to test."""
    folder = tmp_path / "data" / "three_birds"
    split: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
    number = 0
    for label, name in enumerate(("Barn_Owl", "eagle", "wren")):
        for part, count in (("train", 2), ("val", 1), ("test", 2)):
            for each in range(count):
                number += 1
                file = f"{name}/{part}{each}.png"
                draw(folder / "images" / file, number)
                split[part].append([file, label, name])
    (folder / "split_zhou_Birds.json").write_text(json.dumps(split))
    return tmp_path / "data"


@pytest.fixture
def shard_folder(tmp_path: Path) -> Path:
    """Two shards with six test images of three classes in three formats, and one shard for training."""
    folder = tmp_path / "wds_birds"
    folder.mkdir()
    (folder / "classnames.txt").write_text("barn owl\neagle\nwren\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\nart of the {c}.\n")
    write_tar(folder / "test" / "0.tar", [*sample(0, 0), *sample(1, 1, "jpg"), *sample(2, 2, "webp")])
    write_tar(folder / "test" / "1.tar", [*sample(3, 2), *sample(4, 1), *sample(5, 0)])
    (folder / "test" / "nshards.txt").write_text("2\n")
    write_tar(folder / "train" / "0.tar", [part for n in range(6, 12) for part in sample(n, n % 3)])
    (folder / "train" / "nshards.txt").write_text("1\n")
    return folder
