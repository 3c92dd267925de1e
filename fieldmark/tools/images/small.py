"""Makes small copies of images, as WebP, and keeps them by the hash of the image's content."""

import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from fieldmark.cache.folders import private_folder, write_whole
from fieldmark.tools.images.files import ImageFile, decode_image

_HASH = re.compile("[0-9a-f]{64}")


def small_copies(image: ImageFile | Path, *, side: int, qualities: Sequence[int]) -> Iterator[bytes]:
    """One picture as WebP, at one quality after the other; the file is decoded once.

    Args:
        image: A file that was found (its content must be unchanged), or any path.
        side: Its longest side, in pixels; a smaller image keeps its size.
        qualities: WebP's, 0 to 100.

    Raises:
        UnusableImageError: It vanished, changed, or cannot be decoded.
    """
    picture = decode_image(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    for quality in qualities:
        buffer = io.BytesIO()
        picture.save(buffer, format="WEBP", quality=quality, method=4)
        yield buffer.getvalue()


class SmallCopies:
    """A folder of small copies: each is made once, whatever run or name its image comes with.

    Args:
        folder: Made where it is needed; only its owner can enter it. It may be deleted at any time.
        quality: WebP's, 0 to 100.
    """

    def __init__(self, folder: Path, *, quality: int = 80) -> None:
        self._folder = folder
        self._quality = quality
        # Decoding one image may take hundreds of megabytes.
        self._turns = threading.Semaphore(min(4, os.cpu_count() or 1))

    def of(self, image: ImageFile | Path, content_hash: str, *, side: int) -> Path:
        """The file with the small copy of an image.

        Args:
            image: The image, or a file to show in its place.
            content_hash: SHA-256 of its content, in hexadecimal.
            side: Longest side in pixels.

        Raises:
            ValueError: That is no hash.
            UnusableImageError: The image vanished, changed, or cannot be decoded.
        """
        if not _HASH.fullmatch(content_hash):
            raise ValueError("not a SHA-256 hash")
        path = self._folder / content_hash[:2] / f"{content_hash}-{side}.webp"
        if not path.is_file():
            with self._turns:
                data = next(small_copies(image, side=side, qualities=(self._quality,)))
            private_folder(path.parent)
            write_whole(path, (data,))
        return path
