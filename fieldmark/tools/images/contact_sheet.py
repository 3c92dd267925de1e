"""Lays images out on one numbered sheet, for a person to look at."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from fieldmark.cache.folders import write_whole
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import ImageFile, decode_image

_MARGIN, _CAPTION = 10, 26
_PAPER, _INK, _EMPTY = (252, 251, 247), (44, 44, 48), (225, 222, 214)


def write_sheet(
    images: Sequence[ImageFile], path: Path, *, columns: int = 5, tile: int = 240
) -> tuple[str, ...]:
    """Write a PNG with the images in order, each under its number, beginning with 1.

    An image that cannot be read leaves an empty tile with its number.

    Args:
        images: One image or more.
        path: The file; its folder is made, and it is replaced where it is there.
        columns: Images a row.
        tile: Edge of a tile, pixels; images are shrunk or enlarged to fit into it.

    Returns:
        Why images could not be shown, one line each.

    Raises:
        OSError: The file could not be written.
    """
    columns = min(columns, max(1, len(images)))
    rows = math.ceil(max(1, len(images)) / columns)
    size = (columns * (tile + _MARGIN) + _MARGIN, rows * (tile + _CAPTION + _MARGIN) + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    lost: list[str] = []
    for place, image in enumerate(images):
        left = _MARGIN + place % columns * (tile + _MARGIN)
        top = _MARGIN + place // columns * (tile + _CAPTION + _MARGIN)
        draw.text((left, top), str(place + 1), fill=_INK, font=font)
        top += _CAPTION
        try:
            picture = ImageOps.contain(decode_image(image), (tile, tile))
        except UnusableImageError as error:
            lost.append(f"{image.path}: {error.reason}")
            draw.rectangle((left, top, left + tile, top + tile), fill=_EMPTY)
            continue
        sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))
    data = BytesIO()
    sheet.save(data, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (data.getvalue(),))
    return tuple(lost)
