"""The product works without the embedded world: its folder is hidden, and commands run on plain images."""

import json
import os
import shutil
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import fieldmark.tools
from tests.warm_process import WarmProcess, command


class Hide(MetaPathFinder):
    """Finds nothing where the embedded world is."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if f"{fullname}.".startswith("fieldmark.aviary."):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def hidden(arguments: list[str]) -> None:
    """Do what `fieldmark` does with these arguments where there is no embedded world."""
    assert not any(name.startswith("fieldmark.aviary") for name in sys.modules)
    sys.meta_path.insert(0, Hide())
    command(arguments)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of three plain images each."""
    for name, colour in (("red wall", "red"), ("blue wall", "blue")):
        for number in range(3):
            path = tmp_path / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64 + number, 64), colour).save(path)
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder as any other: a copy of the bundled weights under another name."""
    weights = Path(fieldmark.tools.__file__).parent / "clip" / "bundled" / "aviary"
    return Path(shutil.copytree(weights, tmp_path / "small-model"))


def run(folder: Path, *arguments: str) -> Any:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = WarmProcess([*arguments, "--json"], cwd=folder, env=environment, what=hidden)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def test_classify(tmp_path: Path, photos: Path, model: Path) -> None:
    chosen = ("--start", "names", "--max-rounds", "0", "--noun", "wall", "--classes", "red wall,blue wall")
    found = run(tmp_path, "classify", str(photos), "--clip", str(model), *chosen)
    assert len(found["images"]) == 6


def test_optimize(tmp_path: Path, photos: Path, model: Path) -> None:
    chosen = ("--noun", "wall", "--generations", "1", "--clip", str(model))
    found = run(tmp_path, "optimize", "--data", str(photos), *chosen)
    assert found["schema"] == "fieldmark.optimize/1"


def test_eval(tmp_path: Path, photos: Path, model: Path) -> None:
    chosen = ("--methods", "clip,waffle", "--shots", "1", "--clip", str(model))
    table = run(tmp_path, "eval", "--data", str(photos), *chosen)
    assert [row["outcome"] for row in table["rows"]] == ["done", "done"]
