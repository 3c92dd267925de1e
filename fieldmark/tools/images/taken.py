"""Finds bursts by when and with which camera pictures were taken, as their EXIF data say."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from fieldmark.reading import open_regular
from fieldmark.tools.images.decode import UnusableImageError, open_header
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import ImageInMemory

logger = logging.getLogger(__name__)

_MAKE, _MODEL, _EXIF_BLOCK = 0x010F, 0x0110, 0x8769
_TAKEN, _FRACTION, _SERIAL = 0x9003, 0x9291, 0xA431


def bursts_by_time(images: Sequence[ImageFile], *, seconds: float) -> dict[str, str]:
    """The burst of each image that says when it was taken, by content hash.

    Images of one camera and one folder are a burst while each was taken within `seconds` of the one before.
    A burst is named by its first image.
    """
    taken: dict[tuple[Path, str], list[tuple[datetime, ImageFile]]] = defaultdict(list)
    for image in images:
        if not isinstance(image, ImageInMemory) and (found := when_taken(Path(image.path))) is not None:
            taken[Path(image.path).parent, found[1]].append((found[0], image))
    bursts: dict[str, str] = {}
    for several in taken.values():
        several.sort(key=lambda each: (each[0], str(each[1].path)))
        before, first = several[0][0], several[0][1]
        for time, image in several:
            if (time - before).total_seconds() > seconds:
                first = image
            bursts[image.content_hash] = str(first.path)
            before = time
    return bursts


def when_taken(path: Path) -> tuple[datetime, str] | None:
    """When a picture was taken, by its camera's clock, and by which camera; None where it does not say."""
    try:
        with open_regular(path) as file, open_header(file, path=path) as header:
            block = header.getexif()
            inner = block.get_ifd(_EXIF_BLOCK)
    except UnusableImageError:
        return None
    except Exception as error:  # hostile files make decoders raise anything; such a picture is in no burst
        logger.warning("%s: its EXIF data cannot be read (%s)", path, type(error).__name__)
        return None
    try:
        time = datetime.strptime(_text(inner.get(_TAKEN)), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    fraction = _text(inner.get(_FRACTION))
    if fraction.isdecimal():
        time = time.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    camera = (_text(block.get(_MAKE)), _text(block.get(_MODEL)), _text(inner.get(_SERIAL)))
    return time, " ".join(camera)


def _text(value: object) -> str:
    return str(value).strip("\0 ") if value is not None else ""
