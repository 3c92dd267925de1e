"""Images that a program holds in memory stand beside files, in order, under a hash of their pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import InputError
from fieldmark.records import SkippedInput
from fieldmark.tools.images.files import decode_image, find_images, read_unchanged, with_files

RED = np.full((6, 8, 3), (200, 10, 20), dtype=np.uint8)


def test_any_mix_comes_back_in_order_with_what_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    Image.fromarray(RED).save(folder / "b.png")
    (folder / "a.png").write_bytes(b"")
    Image.fromarray(RED + 1).save(tmp_path / "c.png")
    blue = Image.new("RGBA", (4, 4), (0, 0, 255, 255))
    given = [RED, folder, str(tmp_path / "c.png"), blue, tmp_path / "none.png", tmp_path / "c.png"]
    found = find_images(given)
    names = [each.path if isinstance(each, SkippedInput) else Path(each.path).name for each in found.inputs]
    assert [Path(name).name for name in names] == [
        "images[0]", "a.png", "b.png", "c.png", "images[3]", "none.png", "c.png",
    ]  # fmt: skip
    assert [Path(image.path).name for image in found.images] == [
        "images[0]", "b.png", "c.png", "images[3]", "c.png",
    ][:4]  # fmt: skip
    assert [each.reason for each in found.skipped] == ["empty file", "no such file or folder"]
    assert decode_image(found.images[3]).getpixel((0, 0)) == (0, 0, 255)


def test_equal_pixels_have_one_hash_whatever_holds_them() -> None:
    flipped = np.ascontiguousarray(RED[:, ::-1])[:, ::-1]  # the same pixels, laid out otherwise
    first, second, third, other = find_images([RED, Image.fromarray(RED), flipped, RED.swapaxes(0, 1)]).images
    assert first.content_hash == second.content_hash == third.content_hash != other.content_hash
    assert len(first.content_hash) == 64
    assert read_unchanged(first).startswith(b"\x89PNG")
    assert find_images(RED).images[0].content_hash == first.content_hash
    assert len(find_images(np.stack([RED, RED + 1])).images) == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (RED.astype(np.float32), r"images\[1\] is an array of shape \[6, 8, 3\] and type float32"),
        (RED[..., 0], r"shape \[6, 8\]"),
        (RED.transpose(2, 0, 1), r"shape \[3, 6, 8\]"),
        (3, r"images\[1\] is neither a path nor an image but int"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(wrong: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_images([RED, wrong])  # pyright: ignore[reportArgumentType]


def test_a_picture_without_pixels_or_broken_is_a_result_of_its_own(tmp_path: Path) -> None:
    Image.fromarray(RED.repeat(40, 0)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    found = find_images([RED, np.zeros((0, 4, 3), np.uint8), Image.open(tmp_path / "cut.png")])
    assert [each.path for each in found.skipped] == ["images[1]", "images[2]"]
    assert found.skipped[0].reason == "a picture without pixels"
    assert "broken or truncated" in found.skipped[1].reason


def test_they_can_be_written_down_once(tmp_path: Path) -> None:
    found = with_files(find_images([RED, RED]), tmp_path / "kept")
    (file,) = (tmp_path / "kept").iterdir()
    assert [image.path for image in found.images] == [file, file]
    assert np.array_equal(np.asarray(decode_image(found.images[0])), RED)
