"""Draws the places where birds are seen: a soft background, the ground, a perch, a twig in the way."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

RGB = tuple[int, int, int]

_BACKDROP = 64
"""Backdrops are painted this small and enlarged, which reads as depth of field and costs little."""


@dataclass(frozen=True, slots=True)
class PaintedScene:
    """A painted background and what is needed to put a bird into it."""

    image: Image.Image
    """RGB, square."""
    horizon: float
    """Height of the horizon as a share of the image, from the top."""


def shaded(colour: RGB, factor: float) -> RGB:
    """Make a colour lighter (factor > 1) or darker (factor < 1)."""
    r, g, b = (int(min(255, max(0, channel * factor))) for channel in colour)
    return r, g, b


def paint_scene(habitat: str, rng: random.Random, width: int) -> PaintedScene:
    """Paint a habitat.

    Args:
        habitat: One of `attributes.HABITATS`.
        rng: Random generator.
        width: Edge of the square image, pixels.

    Returns:
        The scene, without bird or perch.
    """
    horizon = rng.uniform(0.36, 0.58)
    small = _gradient(habitat, horizon, rng)
    draw = ImageDraw.Draw(small)
    _DISTANCE[habitat](draw, rng, horizon * _BACKDROP)
    small = small.filter(ImageFilter.GaussianBlur(0.8))
    image = small.resize((width, width), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    if habitat in _NEAR:
        _NEAR[habitat](draw, rng, horizon, width)
    return PaintedScene(image, horizon)


def paint_footing(
    scene: PaintedScene, habitat: str, rng: random.Random, x: float, y: float, span: float
) -> None:
    """Paint what the bird's feet are on: a branch, a wire, ripples or a soft shadow.

    Args:
        scene: Painted on in place.
        habitat: The scene's habitat.
        rng: Random generator.
        x: Middle of the feet, pixels.
        y: Height of the soles, pixels.
        span: Half the width of the bird's body, pixels.
    """
    width = scene.image.width
    draw = ImageDraw.Draw(scene.image)
    if habitat == "sky":
        sag = width * 0.02
        points = [(width * t / 8, y + sag * (1 - (t / 4 - 1) ** 2) - sag * 0.8) for t in range(9)]
        draw.line(points, fill=(62, 58, 60), width=max(2, width // 70))
    elif habitat == "forest":
        _branch(draw, rng, width, y)
    elif habitat == "water":
        for ring in (1.0, 0.6):
            box = (x - span * ring, y - span * ring * 0.14, x + span * ring, y + span * ring * 0.14)
            draw.ellipse(box, outline=(196, 222, 238), width=max(1, width // 128))
    else:
        ground = scene.image.getpixel((int(min(max(x, 0), width - 1)), int(min(max(y, 0), width - 1))))
        box = (x - span * 0.7, y - span * 0.09, x + span * 0.7, y + span * 0.12)
        draw.ellipse(box, fill=shaded(ground, 0.8))  # type: ignore[arg-type]


def paint_twig(image: Image.Image, rng: random.Random) -> None:
    """Paint a leafy twig that reaches into the picture from its edge, in place."""
    width = image.width
    draw = ImageDraw.Draw(image)
    bark = shaded((82, 66, 44), rng.uniform(0.7, 1.2))
    leaf = shaded((78, 122, 58), rng.uniform(0.7, 1.2))
    left = rng.random() < 0.5
    x, y = (0.0 if left else width), rng.uniform(0.55, 1.0) * width
    angle = rng.uniform(-0.9, 0.0) if left else math.pi + rng.uniform(0.0, 0.9)
    points = [(x, y)]
    for _ in range(4):
        angle += rng.uniform(-0.25, 0.25)
        step = width * rng.uniform(0.05, 0.11)
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        points.append((x, y))
    draw.line(points, fill=bark, width=max(2, round(width * 0.014)), joint="curve")
    for index, (px, py) in enumerate(points[1:]):
        turn = angle + (0.9 if index % 2 else -0.9)
        long, wide = width * rng.uniform(0.035, 0.06), width * 0.014
        dx, dy = math.cos(turn), math.sin(turn)
        middle = (px + dx * long / 2, py + dy * long / 2)
        outline = [
            (px, py),
            (middle[0] - dy * wide, middle[1] + dx * wide),
            (px + dx * long, py + dy * long),
            (middle[0] + dy * wide, middle[1] - dx * wide),
        ]
        draw.polygon(outline, fill=leaf)


# Colours run from top to bottom; two runs where there is a horizon: sky, then ground.
_SKY: tuple[RGB, RGB] = ((126, 178, 228), (214, 230, 240))
_TONES: Mapping[str, tuple[tuple[RGB, RGB], tuple[RGB, RGB] | None]] = {
    "water": (((150, 190, 226), (222, 232, 236)), ((104, 160, 192), (38, 92, 138))),
    "forest": (((92, 128, 78), (34, 56, 30)), None),
    "meadow": (_SKY, ((164, 198, 98), (96, 148, 54))),
    "sky": (((86, 150, 222), (198, 222, 244)), None),
    "snow": (((176, 198, 222), (226, 234, 242)), ((244, 247, 251), (206, 217, 231))),
    "desert": (((142, 190, 226), (240, 226, 200)), ((234, 202, 146), (200, 152, 92))),
}


def _gradient(habitat: str, horizon: float, rng: random.Random) -> Image.Image:
    n = _BACKDROP
    above, below = _TONES[habitat]
    y = np.linspace(0, 1, n, dtype=np.float32)[:, None]

    def run(tones: tuple[RGB, RGB], t: np.ndarray) -> np.ndarray:
        first, last = (np.array(tone, np.float32) for tone in tones)
        return first + (last - first) * np.clip(t, 0, 1)

    rows = run(above, y if below is None else y / horizon)
    if below is not None:
        rows = np.where(y < horizon, rows, run(below, (y - horizon) / (1 - horizon)))
    numbers = np.random.default_rng(rng.getrandbits(64))
    rows = rows + numbers.normal(0, 6, 3).astype(np.float32)
    mottle = numbers.normal(0, 7, (9, 9)).astype(np.float32)
    soft = np.asarray(Image.fromarray(mottle).resize((n, n), Image.Resampling.BICUBIC))
    pixels = rows[:, None, :] + soft[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _hill(draw: ImageDraw.ImageDraw, rng: random.Random, y: float, height: float, colour: RGB) -> None:
    n = _BACKDROP
    phase, waves = rng.uniform(0, 6.3), rng.uniform(0.7, 1.6)
    crest = [
        (x, y - height * (0.5 + 0.5 * math.sin(phase + waves * x / n * 6.3)) - height * 0.2)
        for x in range(0, n + 4, 4)
    ]
    draw.polygon([(0, n), *crest, (n + 4, n)], fill=colour)


def _cloud(draw: ImageDraw.ImageDraw, rng: random.Random, x: float, y: float, scale: float) -> None:
    for _ in range(5):
        cx, cy = x + rng.uniform(-1.2, 1.2) * scale, y + rng.uniform(-0.25, 0.25) * scale
        r = rng.uniform(0.4, 0.75) * scale
        draw.ellipse((cx - r, cy - r * 0.6, cx + r, cy + r * 0.6), fill=(246, 249, 252))


def _far_water(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    n = _BACKDROP
    _cloud(draw, rng, rng.uniform(0, n), rng.uniform(0.1, 0.6) * y, 6)
    shore = shaded((92, 124, 112), rng.uniform(0.85, 1.15))
    points = [(x, y - rng.uniform(1.0, 3.6)) for x in range(0, n + 6, 6)]
    draw.polygon([(0, y + 1), *points, (n + 6, y + 1)], fill=shore)


def _far_forest(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    n = _BACKDROP
    for depth in (1.25, 0.85):
        for _ in range(3):
            x, w = rng.random() * n, rng.uniform(1.6, 3.6) * (1.6 - depth / 2)
            draw.rectangle((x, 0, x + w, n), fill=shaded((78, 62, 44), depth * rng.uniform(0.7, 1.0)))
    for _ in range(12):
        x, cy, r = rng.random() * n, abs(rng.gauss(0, 0.3)) * n, rng.uniform(2.5, 7)
        tone = shaded((84, 136, 62), rng.uniform(0.6, 1.35))
        draw.ellipse((x - r, cy - r * 0.8, x + r, cy + r * 0.8), fill=tone)
    for _ in range(4):
        x, cy, r = rng.random() * n, rng.random() * n * 0.6, rng.uniform(0.8, 2.0)
        draw.ellipse((x - r, cy - r, x + r, cy + r), fill=(186, 204, 126))


def _far_meadow(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    _cloud(draw, rng, rng.uniform(0, _BACKDROP), rng.uniform(0.15, 0.6) * y, 6)
    _hill(draw, rng, y, 7, shaded((120, 164, 122), rng.uniform(0.9, 1.1)))
    _hill(draw, rng, y + 6, 5, shaded((146, 188, 90), rng.uniform(0.9, 1.1)))


def _far_sky(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    for _ in range(3):
        _cloud(draw, rng, rng.random() * _BACKDROP, rng.random() * _BACKDROP, rng.uniform(5, 9))


def _far_snow(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    _hill(draw, rng, y, 8, shaded((216, 226, 238), rng.uniform(0.92, 1.02)))
    for _ in range(5):
        x, h = rng.random() * _BACKDROP, rng.uniform(7, 13)
        tone = shaded((70, 102, 96), rng.uniform(0.8, 1.2))
        foot = y + rng.uniform(-1, 2)
        draw.polygon([(x, foot - h), (x - h * 0.32, foot), (x + h * 0.32, foot)], fill=tone)
        draw.polygon([(x, foot - h), (x - h * 0.13, foot - h * 0.6), (x + h * 0.13, foot - h * 0.6)],
                     fill=(238, 243, 248))  # fmt: skip


def _far_desert(draw: ImageDraw.ImageDraw, rng: random.Random, y: float) -> None:
    r, x = 3.2, rng.uniform(0.1, 0.9) * _BACKDROP
    draw.ellipse((x - r, y * 0.35 - r, x + r, y * 0.35 + r), fill=(255, 246, 214))
    _hill(draw, rng, y + 1, 7, shaded((216, 172, 114), rng.uniform(0.9, 1.05)))
    _hill(draw, rng, y + 8, 6, shaded((230, 192, 132), rng.uniform(0.92, 1.05)))
    x, h = rng.random() * _BACKDROP, rng.uniform(8, 12)
    green = shaded((86, 128, 82), rng.uniform(0.85, 1.15))
    draw.rounded_rectangle((x, y - h, x + 3, y + 3), 1.5, fill=green)
    draw.rounded_rectangle((x - 3, y - h * 0.65, x - 1, y - h * 0.25), 1, fill=green)
    draw.rounded_rectangle((x - 2, y - h * 0.35, x + 1, y - h * 0.2), 1, fill=green)


def _near_water(draw: ImageDraw.ImageDraw, rng: random.Random, horizon: float, width: int) -> None:
    for _ in range(16):
        depth = rng.random()
        y = (horizon + 0.03 + depth * (0.97 - horizon)) * width
        x, long = rng.uniform(-0.1, 1) * width, (0.04 + 0.16 * depth) * width
        tone = (186, 216, 232) if rng.random() < 0.6 else (48, 100, 146)
        draw.line([(x, y), (x + long / 2, y - width * 0.006), (x + long, y)], fill=tone,
                  width=max(1, width // 160))  # fmt: skip


def _near_meadow(draw: ImageDraw.ImageDraw, rng: random.Random, horizon: float, width: int) -> None:
    for _ in range(44):
        depth = rng.random() ** 0.7
        x, y = rng.random() * width, (horizon + 0.12 + depth * (0.9 - horizon)) * width
        tall = (0.025 + 0.06 * depth) * width
        tone = shaded((104, 158, 56), rng.uniform(0.72, 1.3))
        tip = (x + rng.uniform(-0.4, 0.4) * tall, y - tall)
        draw.polygon([(x - width * 0.005, y), tip, (x + width * 0.005, y)], fill=tone)
    for _ in range(7):
        x, y = rng.random() * width, rng.uniform(horizon + 0.15, 1) * width
        r = width * rng.uniform(0.008, 0.014)
        tone = rng.choice(((246, 226, 110), (242, 176, 206), (252, 250, 244), (206, 170, 232)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)


def _near_snow(draw: ImageDraw.ImageDraw, rng: random.Random, horizon: float, width: int) -> None:
    for _ in range(34):
        x, y, r = rng.random() * width, rng.random() * width, width * rng.uniform(0.003, 0.008)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(252, 253, 255))


def _near_desert(draw: ImageDraw.ImageDraw, rng: random.Random, horizon: float, width: int) -> None:
    for _ in range(9):
        y, x = rng.uniform(horizon + 0.18, 1) * width, rng.uniform(-0.1, 0.9) * width
        long = rng.uniform(0.08, 0.26) * width
        points = [(x + long * t / 4, y + width * 0.006 * math.sin(t * 1.6)) for t in range(5)]
        draw.line(points, fill=(206, 164, 106), width=max(1, width // 140))


def _branch(draw: ImageDraw.ImageDraw, rng: random.Random, width: int, y: float) -> None:
    thick, slope = width * 0.032, rng.uniform(-0.03, 0.03) * width
    bark = shaded((104, 76, 50), rng.uniform(0.85, 1.1))

    def edge(offset: float) -> Sequence[tuple[float, float]]:
        return [
            (width * t / 6, y + offset * thick + slope * (t / 3 - 1) + rng.uniform(-0.1, 0.1) * thick)
            for t in range(7)
        ]

    top, bottom = edge(0.0), edge(1.0)
    draw.polygon([*top, *reversed(bottom)], fill=bark)
    draw.line(top, fill=shaded(bark, 1.3), width=max(1, width // 128))
    draw.line(bottom, fill=shaded(bark, 0.65), width=max(1, width // 128))


_DISTANCE = {
    "water": _far_water, "forest": _far_forest, "meadow": _far_meadow,
    "sky": _far_sky, "snow": _far_snow, "desert": _far_desert,
}  # fmt: skip
_NEAR = {"water": _near_water, "meadow": _near_meadow, "snow": _near_snow, "desert": _near_desert}
