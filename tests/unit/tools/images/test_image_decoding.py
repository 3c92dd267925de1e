"""Decoding: every kind of picture ends up upright, opaque, 8-bit RGB, with the colours one expects."""

import base64
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from fieldmark.tools.images.decode import (
    UnusableImageError,
    decode_bytes,
    image_formats,
    image_suffixes,
    open_header,
)

HERE = Path("picture")


def data_of(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def decoded(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    result = decode_bytes(data_of(image, kind, **options), path=HERE)
    assert result.mode == "RGB"
    return np.asarray(result)


@pytest.mark.parametrize(
    "kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM", "TGA", "ICO", "AVIF", "JPEG2000"]
)
def test_formats(kind):
    if kind not in image_formats():
        pytest.skip(f"this Pillow does not decode {kind}")
    pixels = decoded(Image.new("RGB", (16, 16), (200, 40, 40)), kind)
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels[8, 8].astype(int) - (200, 40, 40)).max() <= 6


def test_postscript_is_never_handed_to_its_interpreter():
    assert "EPS" not in image_formats()
    assert not image_suffixes() & {".eps", ".ps", ".wmf", ".mpg", ".pdf"}
    with pytest.raises(UnusableImageError, match="not an image"):
        decode_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", path=HERE)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_flattened_on_white(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 4))
    pixels = decoded(image.convert(mode))
    assert (pixels[:, :2] == 0).all()
    assert (pixels[:, 2:] == 255).all()


def test_half_transparent_black_on_white_is_grey():
    assert abs(int(decoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))[0, 0, 0]) - 127) <= 1


def test_the_transparent_colour_of_a_palette_is_white():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    image.putpixel((1, 1), 1)
    pixels = decoded(image, "PNG", transparency=0)
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert tuple(pixels[1, 1]) == (200, 100, 50)
    assert tuple(decoded(image, "PNG")[0, 0]) == (10, 20, 30)


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        pixels = decoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert pixels[0, 0, 0] > 240 and pixels[0, 0, 2] < 15, kind


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    # A picture with a red corner, stored as a camera held in each of the eight ways would.
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste("red", (0, 0, 8, 8))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(stored, "PNG", exif=exif)
    assert pixels.shape == (16, 32, 3)
    assert np.array_equal(pixels, np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_a_broken_exif_block_does_not_lose_the_picture():
    data = data_of(
        Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7frubbish"
    )
    assert decode_bytes(data, path=HERE).size == (8, 8)


def test_sixteen_bit_grey_keeps_its_range():
    values = np.array([[0, 128 * 257, 65535]], dtype=np.uint16)
    assert decoded(Image.fromarray(values))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[-10.0, 0.0, 10.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, np.nan, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[7, 7, 7]], np.int32), [7, 7, 7]),
        (np.array([[0, 1_000_000, 2_000_000]], np.int32), [0, 128, 255]),
    ],
)
def test_wide_pixels_are_brought_to_eight_bit(values, expected):
    assert decoded(Image.fromarray(values), "TIFF")[0, :, 0].tolist() == expected


def test_printers_colours():
    pixels = decoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert pixels[8, 8, 0] > 200 and pixels[8, 8, 1] < 60


def test_lab_colours():
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(Image.new("RGB", (4, 4), (200, 40, 40)), to_lab)
    assert np.abs(decoded(lab, "TIFF")[0, 0].astype(int) - (200, 40, 40)).max() <= 5


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_and_black_and_white(mode):
    assert (decoded(Image.new(mode, (3, 3), 1 if mode == "1" else 255)) == 255).all()


def test_what_is_no_picture():
    for data, reason in (
        (b"", "empty file"),
        (b"hello", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "image|header|read"),
    ):
        with pytest.raises(UnusableImageError, match=reason):
            decode_bytes(data, path=HERE)


def test_every_cut_of_a_file_is_either_decoded_or_refused():
    data = data_of(Image.effect_noise((24, 24), 50).convert("RGB"), "PNG")
    for end in range(1, len(data), 37):
        try:
            assert decode_bytes(data[:end], path=HERE).mode == "RGB"
        except UnusableImageError as error:
            assert error.reason


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAADAAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAIAAAAAEAAAAAAAAAAv///+AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAADhtZGF0AAAALCgBr1iK2BOSX//Sg+R72f/4odFbelX/YOuv1A+6"
    "GsPesLmkReEt/wyjXleA"
)
"""A red picture of 64 × 32 pixels with a blue stripe of 16 at its left, as phones write them."""


def test_pictures_of_phones_are_decoded():
    pixels = np.asarray(decode_bytes(HEIC, path=HERE)).astype(int)
    assert pixels.shape == (32, 64, 3)
    assert np.abs(pixels[16, 4] - (40, 60, 200)).max() <= 6
    assert np.abs(pixels[16, 40] - (200, 40, 40)).max() <= 6
    with pytest.raises(UnusableImageError):
        decode_bytes(HEIC[:430], path=HERE)


@pytest.mark.parametrize("suffix", [".heic", ".heif", ".hif", ".avif", ".mpo", ".ico", ".spi", ".spider"])
def test_what_is_decoded_is_found_by_its_suffix(suffix):
    assert suffix in image_suffixes()


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_large_metadata_does_not_make_a_picture_broken(kind, place):
    packed = zlib.compress(bytes(5_000_000))
    body = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind] + packed
    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    data = data_of(Image.new("RGB", (16, 16), (200, 40, 40)), "PNG")
    at = 33 if place == "before" else data.index(b"IEND") - 4
    large = data[:at] + chunk + data[at:]
    assert np.asarray(decode_bytes(large, path=HERE))[8, 8].tolist() == [200, 40, 40]
    assert open_header(io.BytesIO(large), path=HERE).size == (16, 16)
    with pytest.raises(UnusableImageError):
        decode_bytes(large[: at + len(chunk) // 2] if place == "before" else large[:60], path=HERE)
