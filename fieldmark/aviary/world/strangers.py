"""Draws images that show no bird: noise, plain colours, patterns, empty places, and simple other things."""

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from fieldmark.aviary.world.attributes import HABITATS
from fieldmark.aviary.world.dataset import is_complete, versions, written_whole
from fieldmark.aviary.world.render_files import JPEG_QUALITY
from fieldmark.aviary.world.scenery import RGB, paint_scene
from fieldmark.errors import InputError

_FORMAT = 1
"""Goes up when the same settings give other images."""


def render_strangers(out: Path, count: int, *, seed: int, size: int = 128) -> None:
    """Draw `<out>/00001.jpg …`, or reuse the folder that is complete there.

    Args:
        out: The folder; made if it does not exist.
        count: How many images, 1 to 99,999.
        seed: Decides everything; a larger count adds images and leaves the first ones as they are.
        size: Edge of the images, pixels.

    Raises:
        InputError: The count is out of range, or `out` holds anything but these very images.
    """
    if not 1 <= count <= 99_999:
        raise InputError(f"{count} images cannot be drawn.", hint="Draw 1 to 99,999.")
    settings: dict[str, object] = {
        "format": _FORMAT,
        "kind": "strangers",
        "count": count,
        "seed": seed,
        "size": size,
        **versions(),
    }
    if is_complete(out, settings):
        return
    with written_whole(out, settings) as part:
        for number in range(1, count + 1):
            paint_stranger(number, seed=seed, size=size).save(
                part / f"{number:05d}.jpg", "JPEG", quality=JPEG_QUALITY
            )


def paint_stranger(number: int, *, seed: int, size: int = 128) -> Image.Image:
    """Paint one image, RGB; kinds take turns, so that a few images are of many kinds.

    Args:
        number: From 1 up.
        seed: Decides what no number does.
        size: Edge, pixels.
    """
    rng = random.Random(f"fieldmark aviary stranger {seed} {number}")
    return tuple(STRANGERS.values())[(number - 1) % len(STRANGERS)](rng, size)


def stranger_captions(count: int) -> tuple[str, ...]:
    """A caption for each of the first images: "a picture of a house"."""
    kinds = tuple(STRANGERS)
    return tuple(f"a picture of {kinds[number % len(kinds)]}" for number in range(count))


def _colour(rng: random.Random) -> RGB:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _canvas(rng: random.Random, size: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (size, size), _colour(rng))
    return image, ImageDraw.Draw(image)


def _spot(rng: random.Random, size: int, least: float, most: float) -> tuple[float, float, float, float]:
    """A box of a drawn size at a drawn place."""
    wide, high = rng.uniform(least, most) * size, rng.uniform(least, most) * size
    left, top = rng.uniform(-0.1, 0.9) * size, rng.uniform(-0.1, 0.9) * size
    return left, top, left + wide, top + high


def _noise(rng: random.Random, size: int) -> Image.Image:
    """Grain of a drawn coarseness."""
    edge = max(2, size // rng.choice((1, 2, 4, 16)))
    grain = np.random.default_rng(rng.getrandbits(64)).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    return Image.fromarray(grain).resize((size, size), Image.Resampling.NEAREST)


def _flat(rng: random.Random, size: int) -> Image.Image:
    return _canvas(rng, size)[0]


def _gradient(rng: random.Random, size: int) -> Image.Image:
    """One colour that turns into another, in a drawn direction."""
    angle = rng.uniform(0, 2 * math.pi)
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    share = (across * math.cos(angle) + down * math.sin(angle)) / (2 * math.sqrt(2)) + 0.5
    first, second = np.array(_colour(rng)), np.array(_colour(rng))
    return Image.fromarray((first + (second - first) * share[:, :, None]).astype(np.uint8))


def _stripes(rng: random.Random, size: int) -> Image.Image:
    image, draw = _canvas(rng, 2 * size)
    colour, step = _colour(rng), rng.uniform(0.05, 0.3) * size
    for place in range(int(2 * size / step) + 1):
        draw.line((place * step, 0, place * step, 2 * size), colour, width=max(1, round(step / 2)))
    edge = size // 2
    turned = image.rotate(rng.uniform(0, 180), Image.Resampling.BILINEAR)
    return turned.crop((edge, edge, edge + size, edge + size))


def _checks(rng: random.Random, size: int) -> Image.Image:
    image, draw = _canvas(rng, size)
    colour, cells = _colour(rng), rng.randrange(3, 10)
    step = size / cells
    for row in range(cells):
        for column in range(row % 2, cells, 2):
            draw.rectangle((column * step, row * step, (column + 1) * step, (row + 1) * step), colour)
    return image


def _blobs(rng: random.Random, size: int) -> Image.Image:
    image, draw = _canvas(rng, size)
    for _ in range(rng.randrange(3, 12)):
        draw.ellipse(_spot(rng, size, 0.1, 0.5), _colour(rng))
    return image


def _shapes(rng: random.Random, size: int) -> Image.Image:
    """Boxes and regular polygons."""
    image, draw = _canvas(rng, size)
    for _ in range(rng.randrange(1, 5)):
        x, y, radius = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.35)
        circle = (x * size, y * size, radius * size)
        draw.regular_polygon(circle, rng.randrange(3, 8), rng.randrange(360), _colour(rng))
    return image


def _scribble(rng: random.Random, size: int) -> Image.Image:
    image, draw = _canvas(rng, size)
    points = [(rng.uniform(0, size), rng.uniform(0, size)) for _ in range(rng.randrange(6, 20))]
    draw.line(points, _colour(rng), width=max(1, size // 32), joint="curve")
    return image


def _house(rng: random.Random, size: int) -> Image.Image:
    """A house with a door and a window, in front of a place where birds are seen."""
    image = _place(rng, size)
    draw = ImageDraw.Draw(image)
    left, wide, top = rng.uniform(0.1, 0.3) * size, rng.uniform(0.4, 0.6) * size, rng.uniform(0.4, 0.6) * size
    floor = rng.uniform(0.8, 0.95) * size
    draw.rectangle((left, top, left + wide, floor), _colour(rng))
    draw.polygon(
        ((left, top), (left + wide / 2, top - rng.uniform(0.15, 0.3) * size), (left + wide, top)),
        _colour(rng),
    )
    draw.rectangle((left + 0.15 * wide, floor - 0.25 * size, left + 0.4 * wide, floor), _colour(rng))
    draw.rectangle(
        (left + 0.6 * wide, top + 0.08 * size, left + 0.85 * wide, top + 0.22 * size), _colour(rng)
    )
    return image


def _place(rng: random.Random, size: int) -> Image.Image:
    """A place where birds are seen, without one."""
    return paint_scene(rng.choice(HABITATS), rng, size).image


STRANGERS: Mapping[str, Callable[[random.Random, int], Image.Image]] = MappingProxyType({
    "noise": _noise,
    "one colour": _flat,
    "a gradient": _gradient,
    "stripes": _stripes,
    "checks": _checks,
    "blobs": _blobs,
    "shapes": _shapes,
    "a scribble": _scribble,
    "a house": _house,
    "an empty place": _place,
})  # fmt: skip
"""How each kind is painted, in the order of their turns."""
