"""Turns image files into small pictures that stand inside a page, as data URLs."""

import base64
import logging
from pathlib import Path

from fieldmark.tools.images.files import ImageFile, UnusableImageError
from fieldmark.tools.images.small import small_copies

logger = logging.getLogger(__name__)

MOST_PICTURES = 60
"""Pictures a page may hold."""
LONGEST_SIDE = 200
"""Longest side of a picture in a page, in pixels."""
MOST_BYTES = 30_000
"""A picture that stays larger than this at every quality is left out."""
QUALITIES = (80, 60, 40, 20)


class Pictures:
    """Small pictures of images, each made once and at most `most` of them.

    Args:
        most: How many may be made; any further one is None.
        longest_side: Longest side of a picture in pixels.
        copies: Folder with copies, by content hash, of images that have no file.
    """

    def __init__(
        self, most: int = MOST_PICTURES, *, longest_side: int = LONGEST_SIDE, copies: Path | None = None
    ) -> None:
        self._copies = copies
        self._left = most
        self._longest_side = longest_side
        self._made: dict[tuple[str, str], str | None] = {}

    def of(self, image: str, image_hash: str) -> str | None:
        """The data URL of an image; None where it vanished, changed, broke, or enough are shown.

        Args:
            image: Its path or name.
            image_hash: The hash of its content.
        """
        key = (image, image_hash)
        if key not in self._made:
            if not self._left:
                return None
            copy = self._copies / f"{image_hash}.png" if self._copies else None
            file = ImageFile(path=Path(image), content_hash=image_hash)
            self._made[key] = thumbnail(
                copy if copy and copy.is_file() else file, longest_side=self._longest_side
            )
            self._left -= 1
        return self._made[key]


def thumbnail(image: ImageFile | Path, *, longest_side: int = LONGEST_SIDE) -> str | None:
    """A small WebP picture as a data URL; None (and a log line) where there is none to be made."""
    try:
        for data in small_copies(image, side=longest_side, qualities=QUALITIES):
            if len(data) <= MOST_BYTES:
                return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
    except UnusableImageError as error:
        logger.info("No picture in the report: %s", error)
        return None
    logger.info(
        "No picture in the report: %s stays larger than %d bytes.", getattr(image, "path", image), MOST_BYTES
    )
    return None
