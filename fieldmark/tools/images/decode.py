"""Turns the bytes of one image file into an upright RGB picture, or says why it cannot."""

import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pi_heif
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from fieldmark.errors import InputError

logger = logging.getLogger(__name__)

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels; larger files are skipped by what their header says."""

LARGEST_DECODED = 2 * 89_478_485
"""Pillow's own limit, beyond which it opens nothing."""

# EPS is PostScript: Pillow would hand the file to Ghostscript, that is, run it as a program. The others are
# only recognised by Pillow, never decoded.
_NEVER_OPENED = frozenset({"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"})
# Formats that Pillow knows by content and not, or not in full, by suffix.
_MORE_SUFFIXES = {
    ".mpo": "JPEG",
    ".jps": "JPEG",
    ".jif": "JPEG",
    ".jfi": "JPEG",
    ".spi": "SPIDER",
    ".spider": "SPIDER",
    ".pam": "PPM",
    ".imt": "IMT",
}
_PNG = b"\x89PNG\r\n\x1a\n"
_WORDS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
_SIXTEEN_BIT = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})


class UnusableImageError(InputError):
    """One image file that cannot be used.

    Attributes:
        reason: Why, in a few words, without the path.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}.")


def image_formats() -> tuple[str, ...]:
    """The names of all formats that are decoded, in Pillow's spelling: its own, and HEIF (HEIC)."""
    Image.init()
    if "HEIF" not in Image.OPEN:
        pi_heif.register_heif_opener()
    return tuple(sorted(set(Image.OPEN) - _NEVER_OPENED))


def image_suffixes() -> frozenset[str]:
    """The lower-case file suffixes, with the dot, of all formats that are decoded."""
    formats = set(image_formats())
    known = Image.registered_extensions() | _MORE_SUFFIXES
    return frozenset(suffix for suffix, name in known.items() if name in formats)


@contextmanager
def quiet_about_size() -> Iterator[None]:
    """Silence Pillow's warning of large pictures, which are refused here by a lower limit of our own.

    Enter it once around a thread pool, not inside its threads: Python's warning filters are shared.
    """
    with warnings.catch_warnings():
        silence_size_warning()
        yield


def silence_size_warning() -> None:
    """The same for good, in a process that does nothing but decode."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def open_header(file: IO[bytes], *, path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture without decoding it, after checking its format and size.

    Args:
        file: The open file, at its start.
        path: Its path, for the error.
        max_pixels: Largest width times height.

    Returns:
        Pillow's image, not yet decoded.

    Raises:
        UnusableImageError: It is no picture, or too large.
    """
    try:
        image = _opened(file)
    except UnidentifiedImageError:
        raise UnusableImageError(path, "not an image that can be read, whatever its name says") from None
    except Image.DecompressionBombError:
        raise UnusableImageError(path, f"larger than the limit of {max_pixels / 1e6:g} megapixels") from None
    except OSError as error:
        raise UnusableImageError(path, f"cannot be read ({_short(error)})") from error
    except Exception as error:  # hostile headers make decoders raise anything
        raise UnusableImageError(path, f"broken header ({_short(error)})") from error
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise UnusableImageError(
            path, f"{pixels / 1e6:.1f} megapixels, more than the limit of {max_pixels / 1e6:g}"
        )
    if pixels == 0:
        raise UnusableImageError(path, "a picture without pixels")
    if isinstance(image, ImageFile.StubImageFile):
        raise UnusableImageError(path, f"the format {image.format} cannot be decoded here")
    return image


def _opened(file: IO[bytes]) -> Image.Image:
    """Pillow's image; a PNG whose texts or colour profile pass Pillow's limits is opened without them."""
    try:
        return Image.open(file, formats=image_formats())
    except ValueError:
        file.seek(0)
        if file.read(len(_PNG)) != _PNG:
            raise
        file.seek(0)
        return Image.open(io.BytesIO(_without_words(file)), formats=image_formats())


def _without_words(file: IO[bytes]) -> bytes:
    """A PNG file without the chunks that say nothing of its pixels."""
    kept = [file.read(len(_PNG))]
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] in _WORDS:
            file.seek(length + 4, io.SEEK_CUR)
            continue
        kept += [head, file.read(length + 4)]
    return b"".join(kept)


def decode_bytes(data: bytes, *, path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture: first frame, upright, on white where it is transparent, 8-bit RGB.

    16-bit grey is scaled by its full range. 32-bit and floating-point pixels are taken as they are where they
    fit 0..1 (floating point), 0..255 or 0..65535, and stretched from darkest to lightest otherwise.

    Args:
        data: The whole file.
        path: Its path, for the error.
        max_pixels: Largest width times height.

    Returns:
        An image of mode "RGB".

    Raises:
        UnusableImageError: It is no picture, too large, truncated or broken.
    """
    if not data:
        raise UnusableImageError(path, "empty file")
    image = open_header(io.BytesIO(data), path=path, max_pixels=max_pixels)
    try:
        image.load()
    except ValueError:
        if data.startswith(_PNG):  # texts may stand behind the pixels, too
            plain = io.BytesIO(_without_words(io.BytesIO(data)))
            image = open_header(plain, path=path, max_pixels=max_pixels)
    except Exception as error:  # hostile files make decoders raise anything
        raise UnusableImageError(path, f"broken or truncated ({_short(error)})") from error
    return upright_rgb(image, path=path)


def upright_rgb(image: Image.Image, *, path: Path) -> Image.Image:
    """The first frame of an opened picture: upright, on white where it is transparent, 8-bit RGB.

    Raises:
        UnusableImageError: It is truncated or broken.
    """
    try:
        image.load()
        return _to_rgb(_upright(image, path))
    except UnusableImageError:
        raise
    except Exception as error:  # hostile files make decoders raise anything
        raise UnusableImageError(path, f"broken or truncated ({_short(error)})") from error


def _upright(image: Image.Image, path: Path) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # a broken EXIF block is no reason to lose the picture
        logger.warning("%s: its EXIF orientation cannot be read (%s); used as stored", path, _short(error))
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        return _grey(np.asarray(image).astype(np.float32) / 257.0)
    if image.mode in {"I", "F"}:
        return _grey(_stretched(np.asarray(image).astype(np.float64), floating=image.mode == "F"))
    if image.has_transparency_data:
        layers = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layers).convert("RGB")
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        converted = ImageCms.applyTransform(image, to_rgb)
        if converted is None:
            raise ValueError("LAB colours cannot be converted")
        return converted
    return image.convert("RGB")


def _stretched(values: np.ndarray, *, floating: bool) -> np.ndarray:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    if floating and low >= 0 and high <= 1:
        return values * 255.0
    if low >= 0 and high <= 255:
        return values
    if low >= 0 and high <= 65535:
        return values / 257.0
    span = high - low
    return (values - low) * (255.0 / span) if span > 0 and math.isfinite(span) else np.zeros_like(values)


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:120] if text else type(error).__name__
