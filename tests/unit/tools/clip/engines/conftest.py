"""Pictures that are alike in nothing, and small."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.tools.images.files import find_images
from fieldmark.tools.images.image_file import ImageFile


def draw(folder: Path, count: int, *, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(seed)
    for at in range(count):
        Image.fromarray(chance.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(folder / f"{at:04}.png")
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 pictures, one of which is broken in a way that its header does not show."""
    folder = draw(tmp_path_factory.mktemp("drawn"), 600)
    whole = (folder / "0300.png").read_bytes()
    (folder / "0300.png").write_bytes(whole[:-40])
    return folder


@pytest.fixture(scope="session")
def found(drawn: Path) -> tuple[ImageFile, ...]:
    return find_images([drawn]).images
