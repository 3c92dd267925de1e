from pathlib import Path

import pytest
from PIL import Image

from fieldmark.tools.images.contact_sheet import write_sheet
from fieldmark.tools.images.files import ImageFile, find_images


@pytest.fixture
def images(tmp_path: Path) -> tuple[ImageFile, ...]:
    for number, colour in enumerate(("red", "lime", "blue")):
        Image.new("RGB", (40, 20 + 20 * number), colour).save(tmp_path / f"{number}.png")
    return find_images(tmp_path).images


def test_images_lie_in_order_each_whole(images: tuple[ImageFile, ...], tmp_path: Path) -> None:
    path = tmp_path / "sheets" / "a.png"
    assert write_sheet(images, path, columns=2, tile=100) == ()
    with Image.open(path) as sheet:
        assert sheet.size == (2 * 110 + 10, 2 * 136 + 10)
        middles = [sheet.getpixel((10 + 50 + 110 * (n % 2), 36 + 50 + 136 * (n // 2))) for n in range(3)]
        assert middles == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        assert sheet.getpixel((10 + 50, 36 + 10)) != (255, 0, 0), "a wide image is not stretched"


def test_an_image_that_is_gone_leaves_its_place(images: tuple[ImageFile, ...], tmp_path: Path) -> None:
    images[0].path.unlink()
    path = tmp_path / "a.png"
    lost = write_sheet(images, path, tile=100)
    assert len(lost) == 1
    assert "vanished" in lost[0]
    with Image.open(path) as sheet:
        assert sheet.size[0] == 3 * 110 + 10
        assert sheet.getpixel((10 + 110 + 50, 36 + 50)) == (0, 255, 0)
