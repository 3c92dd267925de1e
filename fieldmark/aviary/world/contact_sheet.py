"""Lays rendered birds out on a sheet, one species a row with its name, for documents and reports."""

import random
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from fieldmark.aviary.world.attributes import HABITATS, KIND_BY_NOUN
from fieldmark.aviary.world.render import render
from fieldmark.aviary.world.species import Species
from fieldmark.errors import InputError

_MARGIN = 8
_CAPTION = 20
_PAPER, _INK = (252, 251, 247), (44, 44, 48)


def contact_sheet(
    species: Sequence[Species], *, columns: int = 6, tile: int = 128, seed: int = 0, difficulty: float = 0.3
) -> Image.Image:
    """Draw a sheet with one row per species, its name above the row.

    Column `i` has the same habitat in every row, so that rows differ by the birds alone.

    Args:
        species: The rows, from top to bottom.
        columns: Pictures a row; the first column is the habitat that the kind prefers.
        tile: Edge of a picture, pixels.
        seed: Decides poses and scenery.
        difficulty: See `render.render`.

    Returns:
        An RGB image.

    Raises:
        InputError: If there is nothing to draw.
    """
    if not species or columns < 1:
        raise InputError("A contact sheet needs at least one species and one column.")
    row_height = tile + _CAPTION + _MARGIN
    width, height = columns * (tile + _MARGIN) + _MARGIN, len(species) * row_height + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    first = HABITATS.index(KIND_BY_NOUN[species[0].noun].habitat)
    for row, one in enumerate(species):
        rng = random.Random(f"{seed} {one.name}")
        top = _MARGIN + row * row_height
        draw.text((_MARGIN, top), one.name, fill=_INK, font=font)
        for column in range(columns):
            habitat = HABITATS[(first + column) % len(HABITATS)]
            picture = render(
                one.marks, habitat=habitat, light="day", seed=rng.getrandbits(48), size=tile,
                difficulty=difficulty,
            )  # fmt: skip
            sheet.paste(picture, (_MARGIN + column * (tile + _MARGIN), top + _CAPTION))
    # The two lowest bits are grain; without them a sheet takes half the space as PNG.
    return sheet.point([min(255, (value + 2) & ~3) for value in range(256)] * 3)
