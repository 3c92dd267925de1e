"""Takes images that a program holds in memory, PIL images and arrays, as if they were files."""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image

from fieldmark.errors import InputError
from fieldmark.records import SkippedInput
from fieldmark.tools.images.decode import MAX_PIXELS, UnusableImageError, upright_rgb
from fieldmark.tools.images.image_file import ImageFile

Picture = Image.Image | np.ndarray
"""An image in memory: any PIL image, or an array uint8 `[H, W, 3]` in RGB."""


@dataclass(frozen=True)
class ImageInMemory(ImageFile):
    """An image without a file.

    Attributes:
        path: A name, not a place: `images[2]` for the third of the images given.
        content_hash: SHA-256 over its size and pixels, so that the same pixels are encoded once, ever.
        picture: Upright, mode "RGB".
    """

    picture: Image.Image | None = None

    def bytes(self) -> bytes:
        """The picture as a PNG file."""
        written = io.BytesIO()
        self.rgb().save(written, "PNG", compress_level=1)
        return written.getvalue()

    def rgb(self) -> Image.Image:
        """The picture.

        Raises:
            UnusableImageError: It is gone.
        """
        if self.picture is None:
            raise UnusableImageError(self.path, "is not in memory any more")
        return self.picture


def is_picture(given: object) -> TypeGuard[Picture]:
    """Whether something is an image in memory, or is meant to be one: any array counts."""
    return isinstance(given, Image.Image | np.ndarray) or hasattr(given, "__array__")


def take_in(picture: Picture, name: str, *, max_pixels: int = MAX_PIXELS) -> ImageInMemory | SkippedInput:
    """Take in one image.

    Args:
        picture: A PIL image, or an array uint8 `[H, W, 3]` in RGB.
        name: What it is called in results.
        max_pixels: Largest width times height.

    Returns:
        The image; or, where its pixels cannot be used, its name and the reason.

    Raises:
        InputError: An array has another shape or type.
    """
    path = Path(name)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(_checked(picture, name))
    pixels = image.width * image.height
    if pixels > max_pixels:
        limit = f"more than the limit of {max_pixels / 1e6:g}"
        return SkippedInput(path=name, reason=f"{pixels / 1e6:.1f} megapixels, {limit}")
    if pixels == 0:
        return SkippedInput(path=name, reason="a picture without pixels")
    try:
        rgb = upright_rgb(image, path=path)
    except UnusableImageError as error:
        return SkippedInput(path=name, reason=error.reason)
    size = f"fieldmark pixels {rgb.width} {rgb.height}\n".encode("ascii")
    return ImageInMemory(
        path=path, content_hash=hashlib.sha256(size + rgb.tobytes()).hexdigest(), picture=rgb
    )


COPIES = "images"
"""Folder, within a run's, of small copies of images that have no file."""
COPY_SIDE = 320
"""Longest side of a copy, in pixels."""


def keep_copies(images: Iterable[ImageFile], folder: Path) -> None:
    """Keep small copies of the images that have no file, by content hash, so that a report can show them."""
    for image in images:
        if isinstance(image, ImageInMemory):
            folder.mkdir(parents=True, exist_ok=True)
            small = image.rgb().copy()
            small.thumbnail((COPY_SIDE, COPY_SIDE), Image.Resampling.LANCZOS)
            small.save(folder / f"{image.content_hash}.png")


def _checked(picture: object, name: str) -> np.ndarray:
    """The array, after checking its shape and type."""
    try:
        array = np.asarray(picture)
    except Exception as error:  # an array library raises what it likes, such as for data on a GPU
        raise InputError(f"{name} cannot be read as an array: {error}.", hint=_FORM) from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        shape = ", ".join(map(str, array.shape))
        raise InputError(f"{name} is an array of shape [{shape}] and type {array.dtype}.", hint=_FORM)
    return np.ascontiguousarray(array)


_FORM = "Give an array of shape [H, W, 3] and type uint8, in RGB; or a PIL image."
