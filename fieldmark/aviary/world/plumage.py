"""Draws one bird from its marks, part by part, and the relief that gives it volume."""

import colorsys
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from fieldmark.aviary.world.attributes import NONE
from fieldmark.aviary.world.scenery import RGB, shaded

PALETTE: Mapping[str, RGB] = {
    "red": (206, 38, 40), "orange": (240, 130, 28), "yellow": (246, 214, 52), "green": (62, 150, 66),
    "blue": (44, 88, 204), "purple": (132, 62, 164), "brown": (122, 76, 42), "black": (30, 30, 34),
    "white": (243, 243, 240), "grey": (138, 141, 146), "pink": (242, 146, 178), "teal": (32, 156, 160),
}  # fmt: skip

_SIZE_SCALE = {"small": 0.82, "medium": 0.96, "large": 1.1}

# Outlines are control points of closed smooth curves in the bird's own frame: it looks along +x, y
# points down, and the body is about one unit long.
_TORSO = {
    "short": ((-0.54, 0.03), (-0.36, -0.15), (-0.10, -0.28), (0.10, -0.42), (0.20, -0.60), (0.41, -0.69),
              (0.61, -0.58), (0.67, -0.39), (0.60, -0.20), (0.60, 0.00), (0.49, 0.21), (0.24, 0.35),
              (-0.06, 0.35), (-0.36, 0.22)),
    "long": ((-0.54, 0.03), (-0.34, -0.17), (-0.08, -0.28), (0.14, -0.34), (0.28, -0.52), (0.31, -0.74),
             (0.35, -0.98), (0.52, -1.09), (0.70, -1.01), (0.75, -0.85), (0.65, -0.68), (0.55, -0.52),
             (0.57, -0.28), (0.62, -0.04), (0.50, 0.20), (0.24, 0.35), (-0.06, 0.35), (-0.36, 0.22)),
}  # fmt: skip
_BELLY = (
    (0.55, -0.12), (0.60, 0.02), (0.49, 0.21), (0.24, 0.35), (-0.06, 0.35), (-0.34, 0.22),
    (-0.08, 0.08), (0.18, -0.02), (0.36, -0.14),
)  # fmt: skip
_WING = (
    (0.24, -0.08), (0.10, -0.21), (-0.14, -0.22), (-0.42, -0.08), (-0.72, 0.13), (-0.40, 0.15),
    (-0.10, 0.15), (0.14, 0.07),
)  # fmt: skip
_TAIL: Mapping[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "short": (((-0.40, -0.10), (-0.70, 0.02), (-0.71, 0.15), (-0.40, 0.18)),),
    "long": (((-0.38, -0.10), (-1.10, 0.12), (-1.16, 0.20), (-1.08, 0.27), (-0.40, 0.17)),),
    "forked": (
        ((-0.40, -0.12), (-0.72, -0.12), (-1.10, -0.20), (-0.78, 0.03), (-0.46, 0.10)),
        ((-0.42, 0.02), (-0.74, 0.10), (-1.02, 0.36), (-0.66, 0.24), (-0.40, 0.18)),
    ),
    "fan": (((-0.40, -0.06), (-0.80, -0.36), (-0.96, -0.17), (-1.00, 0.05), (-0.95, 0.27), (-0.78, 0.42),
             (-0.40, 0.16)),),
}  # fmt: skip
# Bills start at (0, 0) on the face and point along +x.
_BILL: Mapping[str, tuple[tuple[float, float], ...]] = {
    "cone": ((-0.06, -0.15), (0.06, -0.13), (0.25, 0.04), (0.04, 0.14), (-0.06, 0.14)),
    "needle": ((-0.05, -0.06), (0.20, -0.035), (0.60, 0.0), (0.60, 0.02), (0.20, 0.045), (-0.05, 0.07)),
    "hooked": ((-0.06, -0.14), (0.10, -0.15), (0.24, -0.06), (0.27, 0.08), (0.21, 0.23), (0.15, 0.08),
               (-0.06, 0.12)),
    "flat": ((-0.06, -0.08), (0.14, -0.03), (0.30, -0.06), (0.44, -0.05), (0.46, 0.07), (0.34, 0.13),
             (0.14, 0.12), (-0.06, 0.11)),
    "curved": ((-0.05, -0.09), (0.16, -0.10), (0.36, -0.01), (0.50, 0.24), (0.33, 0.11), (0.14, 0.05),
               (-0.05, 0.08)),
    "dagger": ((-0.05, -0.12), (0.10, -0.09), (0.52, 0.02), (0.10, 0.10), (-0.05, 0.12)),
}  # fmt: skip
_CREST = (
    ((-0.02, -0.16), (-0.20, -0.30), (-0.42, -0.34), (-0.30, -0.16), (-0.18, -0.02)),
    ((0.10, -0.18), (-0.06, -0.36), (-0.26, -0.48), (-0.18, -0.28), (-0.08, -0.12)),
    ((0.20, -0.16), (0.10, -0.36), (-0.04, -0.54), (-0.02, -0.32), (0.02, -0.14)),
)


@dataclass(slots=True)
class Sitter:
    """A bird's pose and the two canvases it is painted on."""

    draw: ImageDraw.ImageDraw
    """Paints colour on the scene."""
    relief: ImageDraw.ImageDraw
    """Paints height on an 8-bit canvas of the same size: 0 scene, up to 255 nearest parts."""
    matrix: np.ndarray
    """float64 `[2, 2]`: bird frame to pixels, for row vectors."""
    origin: np.ndarray
    """float64 `[2]`, pixels: middle of the body."""
    scale: float
    """Pixels per unit of the bird frame."""

    def place(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Move points `[n, 2]` from the bird frame to pixels."""
        moved = points @ self.matrix + self.origin
        return [(x, y) for x, y in moved.tolist()]

    def shape(self, points: np.ndarray, colour: RGB, height: int | None = None) -> None:
        """Fill an outline `[n, 2]`; with a height, also on the relief."""
        placed = self.place(points)
        self.draw.polygon(placed, fill=colour)
        if height is not None:
            self.relief.polygon(placed, fill=height)

    def stroke(self, points: np.ndarray, colour: RGB, width: float, height: int | None = None) -> None:
        """Draw a line through points `[n, 2]`; width in units of the bird frame."""
        placed, pixels = self.place(points), max(1, round(width * self.scale))
        self.draw.line(placed, fill=colour, width=pixels, joint="curve")
        if height is not None:
            self.relief.line(placed, fill=height, width=pixels)


def pose_bird(
    scene: Image.Image,
    relief: Image.Image,
    marks: Mapping[str, str],
    rng: random.Random,
    difficulty: float,
    *,
    middle: float = 0.5,
    zoom: float = 1.0,
) -> Sitter:
    """Choose a bird's size, place, tilt and direction.

    Args:
        scene: RGB canvas.
        relief: 8-bit canvas of the same size.
        marks: The bird's marks (size, neck and legs matter here).
        rng: Random generator.
        difficulty: 0 stands still and upright; 1 is the ordinary variety.
        middle: Where it stands, from 0 on the left to 1 on the right.
        zoom: Its size beside that of a bird that has the picture for itself.
    """
    width = scene.width
    tall, stilted = marks["neck"] == "long", marks["leg_length"] == "long"
    spread = 0.05 * min(difficulty, 2.0)
    scale = _SIZE_SCALE[marks["size"]] * (1 + rng.uniform(-spread, spread)) * width * 0.395
    scale *= (0.88 if tall else 1.0) * zoom
    x = middle + rng.uniform(-0.05, 0.05) * difficulty
    y = 0.53 + rng.uniform(-0.035, 0.035) * difficulty + (0.06 if tall else 0) - (0.07 if stilted else 0)
    tilt = rng.gauss(0, 0.11) * difficulty
    side = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = math.cos(tilt) * scale, math.sin(tilt) * scale
    matrix = np.array([[cos * side, sin], [-sin * side, cos]])
    origin = np.array([x - 0.02 * side, y]) * width
    return Sitter(ImageDraw.Draw(scene), ImageDraw.Draw(relief), matrix, origin, scale)


def leg_reach(marks: Mapping[str, str]) -> float:
    """How far below the middle of the body the soles are, in units of the bird frame."""
    return 0.30 + (0.58 if marks["leg_length"] == "long" else 0.32)


def paint_bird(sitter: Sitter, marks: Mapping[str, str], rng: random.Random) -> None:
    """Paint every part of the bird, far parts first, in place."""
    long_neck = marks["neck"] == "long"
    head, radius = ((0.52, -0.87), 0.225) if long_neck else ((0.41, -0.42), 0.265)
    tones = {key: _varied(rng, PALETTE[marks[key]]) for key in ("body", "wing", "belly", "bill_colour")}
    _tail(sitter, marks, tones["wing"])
    _legs(sitter, marks, rng)
    cap = _varied(rng, PALETTE[marks["cap"]]) if marks["cap"] != NONE else None
    if marks["crest"] != NONE:
        # Crests sit on the crown: scaled with the head, in the colour of the cap if there is one.
        for feather in _CREST:
            outline = _smooth(np.array(feather) * (radius / 0.25) + head, 4)
            sitter.shape(outline, shaded(cap or tones["body"], 0.9), 120)
    _bill(sitter, marks, tones["bill_colour"], (head[0] + radius * 0.86, head[1] + 0.05))
    sitter.shape(_smooth(np.array(_TORSO[marks["neck"]])), tones["body"], 130)
    _down(sitter, tones["body"], rng)
    sitter.shape(_smooth(np.array(_BELLY)), tones["belly"], 140)
    _pattern(sitter, marks, rng)
    if marks["collar"] != NONE:
        sitter.shape(_collar(long_neck), _varied(rng, PALETTE[marks["collar"]]), 150)
    if cap is not None:
        _cap(sitter, cap, head, radius)
    _eye(sitter, marks, (head[0] + radius * 0.34, head[1] + radius * 0.02), rng)
    _wing(sitter, marks, tones["wing"], rng)


def _smooth(points: np.ndarray, steps: int = 5) -> np.ndarray:
    """Closed Catmull-Rom curve through control points `[n, 2]`; returns `[n * steps, 2]`."""
    t = (np.arange(steps) / steps)[None, :, None]
    before, after, later = np.roll(points, 1, 0), np.roll(points, -1, 0), np.roll(points, -2, 0)
    a, b, c, d = (p[:, None, :] for p in (before, points, after, later))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def _disc(x: float, y: float, radius: float, steps: int = 16) -> np.ndarray:
    turn = np.arange(steps) * (2 * math.pi / steps)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)


def _varied(rng: random.Random, colour: RGB) -> RGB:
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    hue = (hue + rng.gauss(0, 0.01)) % 1
    light = min(1.0, max(0.0, light * (1 + rng.gauss(0, 0.06))))
    saturation = min(1.0, max(0.0, saturation * (1 + rng.gauss(0, 0.07))))
    r, g, b = colorsys.hls_to_rgb(hue, light, saturation)
    return int(255 * r), int(255 * g), int(255 * b)


def _tail(sitter: Sitter, marks: Mapping[str, str], tone: RGB) -> None:
    for feathers in _TAIL[marks["tail"]]:
        points = np.array(feathers)
        sitter.shape(points, shaded(tone, 0.86), 100)
        root, tips = np.array((-0.42, 0.05)), points[1:-1]
        for i in range(len(tips) - 1):
            tip = (tips[i] + tips[i + 1]) / 2
            line = np.stack([root + (tip - root) * 0.3, root + (tip - root) * 0.94])
            sitter.stroke(line, shaded(tone, 0.66), 0.014)


def _legs(sitter: Sitter, marks: Mapping[str, str], rng: random.Random) -> None:
    tone, reach = _varied(rng, PALETTE[marks["leg_colour"]]), leg_reach(marks)
    for hip, shade in ((0.14, 0.82), (-0.04, 1.0)):
        foot = hip + rng.gauss(0, 0.025)
        colour = shaded(tone, shade)
        shin = np.array([(hip, 0.24), ((hip + foot) / 2 - 0.015, 0.3 + (reach - 0.3) * 0.45), (foot, reach)])
        sitter.stroke(shin, colour, 0.085, 90)
        toes = np.array([(foot - 0.10, reach + 0.015), (foot, reach - 0.02), (foot + 0.17, reach + 0.02)])
        sitter.stroke(toes, colour, 0.062, 90)


def _bill(sitter: Sitter, marks: Mapping[str, str], tone: RGB, base: tuple[float, float]) -> None:
    outline = np.array(_BILL[marks["bill"]]) + base
    sitter.shape(outline if marks["bill"] in ("cone", "dagger", "needle") else _smooth(outline, 4), tone, 110)
    middle = np.array(_BILL[marks["bill"]]).mean(0)
    tip = np.array([(0.02, 0.015), (middle[0], middle[1] + 0.01)]) + base
    sitter.stroke(tip, shaded(tone, 0.6) if sum(tone) > 120 else (92, 92, 96), 0.014)


def _down(sitter: Sitter, tone: RGB, rng: random.Random) -> None:
    # Short strokes along the back and breast; dark birds get lighter strokes, so that they show.
    stroke = shaded(tone, 0.88) if sum(tone) > 150 else shaded((58, 58, 64), 1.0)
    for _ in range(9):
        x, y = rng.uniform(-0.25, 0.5), rng.uniform(-0.24, 0.05)
        sitter.stroke(np.array([(x, y), (x - 0.07, y + 0.02)]), stroke, 0.014)


def _pattern(sitter: Sitter, marks: Mapping[str, str], rng: random.Random) -> None:
    if marks["pattern"] == "plain":
        return
    ink = (42, 32, 30) if marks["belly"] not in ("black", "brown") else (226, 222, 212)
    ink = _varied(rng, ink)
    # The belly is close to an ellipse; (u, v) in the unit disc maps into it, u along the bird.
    centre, axes = np.array((0.20, 0.15)), np.array(((0.40, -0.15), (0.075, 0.185)))

    def at(u: float, v: float) -> np.ndarray:
        return centre + np.array((u, v)) @ axes

    if marks["pattern"] == "spotted":
        for row, v in enumerate((-0.5, 0.05, 0.6)):
            for u in (-0.75, -0.38, 0.0, 0.38, 0.75):
                spot = (u + rng.gauss(0, 0.04) + (0.18 if row % 2 else 0), v + rng.gauss(0, 0.05))
                if math.hypot(*spot) < 0.95:
                    x, y = at(*spot).tolist()
                    sitter.shape(_disc(x, y, 0.04, 10), ink)
    elif marks["pattern"] == "striped":
        for v in (-0.45, 0.0, 0.45, 0.85):
            half = math.sqrt(1 - v * v) * 0.93
            sitter.stroke(np.stack([at(-half, v), at(0, v + 0.04), at(half, v)]), ink, 0.04)
    else:
        for u in (-0.7, -0.36, 0.0, 0.36, 0.7):
            half = math.sqrt(1 - u * u) * 0.95
            sitter.stroke(np.stack([at(u, -half), at(u + 0.05, 0), at(u, half)]), ink, 0.045)


def _collar(long_neck: bool) -> np.ndarray:
    if long_neck:
        return np.array([(0.29, -0.56), (0.42, -0.51), (0.565, -0.55), (0.545, -0.38), (0.40, -0.33),
                         (0.235, -0.43)])  # fmt: skip
    return _smooth(np.array([(0.085, -0.37), (0.20, -0.22), (0.40, -0.16), (0.61, -0.23), (0.60, -0.10),
                             (0.40, -0.03), (0.17, -0.10), (0.00, -0.32)]), 4)  # fmt: skip


def _cap(sitter: Sitter, tone: RGB, head: tuple[float, float], radius: float) -> None:
    turn = np.linspace(math.pi * 0.98, math.pi * 1.99, 14)
    top = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius * 1.05
    brow = np.array([(0.62, -0.14), (0.2, -0.2), (-0.3, -0.14), (-0.72, 0.18)]) * radius
    sitter.shape(np.concatenate([top, brow]) + head, tone, 150)


def _eye(sitter: Sitter, marks: Mapping[str, str], centre: tuple[float, float], rng: random.Random) -> None:
    x, y = centre
    if marks["eye_ring"] != NONE:
        ring = (250, 250, 248) if marks["eye_ring"] == "white" else (255, 210, 24)
        sitter.shape(_disc(x, y, 0.138, 18), shaded(ring, 0.62))
        sitter.shape(_disc(x, y, 0.124, 18), ring)
    elif sum(PALETTE[marks["body"]]) < 120 or marks["cap"] == "black":
        # A dark eye in a dark face would vanish; a thin grey rim keeps it an eye without being a ring.
        sitter.shape(_disc(x, y, 0.07), (84, 84, 90))
    sitter.shape(_disc(x, y, 0.06), (16, 15, 16))
    glint = rng.uniform(0.014, 0.022)
    sitter.shape(_disc(x + 0.02, y - 0.022, glint, 8), (240, 240, 240))


def _wing(sitter: Sitter, marks: Mapping[str, str], tone: RGB, rng: random.Random) -> None:
    turn = rng.gauss(0.0, 0.05)
    spin = np.array(((math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))))
    dark = shaded(tone, 0.72) if sum(tone) > 150 else (66, 66, 72)
    outline = _smooth(np.array(_WING)) @ spin
    sitter.shape(outline, shaded(tone, 0.94), 215)
    for root, tip in (((-0.02, -0.10), (-0.56, 0.02)), ((-0.04, -0.03), (-0.62, 0.09)),
                      ((-0.06, 0.04), (-0.52, 0.13)), ((-0.02, 0.09), (-0.34, 0.14))):  # fmt: skip
        sitter.stroke(np.array((root, tip)) @ spin, dark, 0.016)
    coverts = np.array([(0.20, -0.08), (0.08, -0.18), (-0.10, -0.19), (-0.20, -0.10), (-0.14, 0.03),
                        (0.0, 0.09), (0.13, 0.04)])  # fmt: skip
    sitter.shape(_smooth(coverts, 4) @ spin, shaded(tone, 1.08), 235)
    if marks["wing_bar"] != NONE:
        for x in (-0.05, -0.25):
            bar = np.array(
                [(x + 0.03, -0.185 + (0.02 if x < -0.1 else 0)), (x - 0.03, -0.05), (x - 0.01, 0.12)]
            )
            sitter.stroke(bar @ spin, (248, 248, 245), 0.062)
