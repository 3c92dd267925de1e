"""The few-shot images of a seed are those that were published: ProAPO's files list CoOp's draws."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.tools.datasets.reading import read_test_set


@pytest.mark.parametrize("shots", [1, 16])
def test_the_images_of_a_seed_are_the_published_ones(interop: Path, tmp_path: Path, shots: int) -> None:
    split = interop / "coop" / "split_zhou_DescribableTextures.json"
    folder = tmp_path / "dtd"
    for part in json.loads(split.read_text(encoding="utf-8")).values():
        for name, _, _ in part:
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / "images" / "one.png").exists():
                Image.new("RGB", (2, 2)).save(folder / "images" / "one.png")
            (folder / "images" / name).hardlink_to(folder / "images" / "one.png")
    (folder / split.name).write_bytes(split.read_bytes())

    found = read_test_set("dtd", root=tmp_path, shots=shots, seed=1)

    published = json.loads(
        (interop / "proapo" / "dtd" / "fewshot_dataset" / f"seed_1_num_shots_{shots}.json").read_text()
    )
    for part, images in (("train", found.train), ("val", found.val)):
        wanted = [(name.rstrip(" *"), label) for name, label in published[part].items()]
        mine = [(image.path.relative_to(folder / "images").as_posix(), image.label) for image in images]
        assert mine == wanted
    assert len(found.test) == 1692
    assert len(found.classes) == 47
