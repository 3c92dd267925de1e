"""Which labelled images instructions are written from, and which are held out."""

import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark import InstructionWriter
from fieldmark.app.evaluate.inputs import OwnData
from fieldmark.app.stores import open_stores
from fieldmark.errors import InputError
from fieldmark.evals.table.test_set import TestSet
from fieldmark.testing import HashingEncoder


def drawn(folder: Path, **counts: int) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            draw = np.random.default_rng(zlib.crc32(f"{folder.name}/{name}/{number}".encode()))
            pixels = draw.integers(0, 255, (4, 4, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02}.png")


def used(folder: Path, *, score: bool = False) -> tuple[dict[str, int], dict[str, int], TestSet]:
    """Labelled images used of each class, and held out."""
    own = OwnData(source=str(folder))
    vlm = "nobody" if score else None
    writer = InstructionWriter(data=own, clip=HashingEncoder(), vlm=vlm, score=score)
    with open_stores(folder.parent / "home") as stores:
        found = writer._own_test_set(own, stores)
    assert writer.options.shots == 16
    assert not {i.content_hash for i in found.train} & {i.content_hash for i in found.images}
    counts = (dict(Counter(str(i.label) for i in each)) for each in (found.train, found.images))
    return next(counts), next(counts), found


def test_every_class_gives_all_its_labels_and_as_many_of_each_are_held_out(tmp_path: Path) -> None:
    drawn(tmp_path / "birds", a=3, b=10, c=30)
    labels, held, found = used(tmp_path / "birds")
    assert labels == {"a": 2, "b": 9, "c": 16}
    assert held == {"a": 1, "b": 1, "c": 1}
    assert "Labelled images used of a class: 2 to 16." in found.notes
    labels, held, _ = used(tmp_path / "birds", score=True)
    assert labels == {"a": 2, "b": 5, "c": 15}
    assert held == {"a": 1, "b": 1, "c": 1}
    drawn(tmp_path / "more", a=10, b=10)
    assert used(tmp_path / "more", score=True)[:2] == ({"a": 5, "b": 5}, {"a": 5, "b": 5})


def test_a_split_of_the_data_s_own_is_kept(tmp_path: Path) -> None:
    drawn(tmp_path / "birds" / "train", a=3, b=20)
    drawn(tmp_path / "birds" / "test", a=5, b=2)
    labels, held, found = used(tmp_path / "birds", score=True)
    assert (labels, held) == ({"a": 3, "b": 16}, {"a": 2, "b": 2})
    assert {image.path.parts[-3] for image in found.images} == {"test"}


def test_a_class_with_one_image_is_refused(tmp_path: Path) -> None:
    drawn(tmp_path / "birds", a=1, b=3)
    with pytest.raises(InputError, match="a has fewer than two images"):
        used(tmp_path / "birds")
