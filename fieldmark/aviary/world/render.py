"""Renders one photograph-like picture of a bird from its marks, a habitat, a light and a seed."""

import random
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageFilter

from fieldmark.aviary.world.attributes import HABITATS, LIGHTS
from fieldmark.aviary.world.plumage import leg_reach, paint_bird, pose_bird
from fieldmark.aviary.world.scenery import paint_footing, paint_scene, paint_twig
from fieldmark.errors import InputError

_OVERSAMPLING = 2
_TWIG_SHARE = 0.25
_BLUR_SHARE = 0.4
_OF_TWO = 0.62
"""Size of each of two birds."""


def render(
    marks: Mapping[str, str],
    *,
    habitat: str,
    light: str,
    seed: int,
    size: int = 128,
    difficulty: float = 1.0,
    beside: Mapping[str, str] | None = None,
) -> Image.Image:
    """Render one picture.

    Args:
        marks: Value of every attribute, by key.
        habitat: One of `attributes.HABITATS`.
        light: One of `attributes.LIGHTS`.
        seed: Decides pose, direction, scale, scenery, twig, blur and noise; the same seed gives the
            same pixels on the same Pillow and numpy.
        size: Edge of the square picture, pixels; at least 32.
        difficulty: Scales tilt, shift, blur, noise and twigs; 0 gives a clean portrait.
        beside: The marks of a second bird. Each is then smaller, this one on the right.

    Returns:
        An RGB image.

    Raises:
        InputError: For an unknown habitat or light, or a size below 32.
    """
    if habitat not in HABITATS or light not in LIGHTS:
        raise InputError(
            f"There is no habitat {habitat!r} or no light {light!r}.",
            hint=f"Habitats: {', '.join(HABITATS)}. Lights: {', '.join(LIGHTS)}.",
        )
    if size < 32 or difficulty < 0:
        raise InputError(f"size must be at least 32 and difficulty not negative, not {size}, {difficulty}.")
    rng = random.Random(seed)
    width = size * _OVERSAMPLING
    scene = paint_scene(habitat, rng, width)
    relief = Image.new("L", (width, width))
    birds = [(marks, 0.5, 1.0)] if beside is None else [(marks, 0.27, _OF_TWO), (beside, 0.73, _OF_TWO)]
    for own, middle, zoom in birds:
        sitter = pose_bird(scene.image, relief, own, rng, difficulty, middle=middle, zoom=zoom)
        foot_x, foot_y = sitter.place(np.array([(0.07, leg_reach(own) + 0.02)]))[0]
        paint_footing(scene, habitat, rng, foot_x, foot_y, sitter.scale * 0.45)
        paint_bird(sitter, own, rng)
    picture = _modelled(scene.image.reduce(_OVERSAMPLING), relief.reduce(_OVERSAMPLING))
    if rng.random() < _TWIG_SHARE * difficulty:
        paint_twig(picture, rng)
    if rng.random() < _BLUR_SHARE * difficulty:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.75) * size / 64 * difficulty))
    return _exposed(picture, light, rng, difficulty)


def _modelled(picture: Image.Image, relief: Image.Image) -> Image.Image:
    """Shade the bird as if lit from above, from the slope of its blurred relief."""
    radius = picture.width / 42
    height = np.asarray(relief.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    cover = np.asarray(relief.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32)
    step = max(1, round(picture.width / 64))
    slope = np.zeros_like(height)
    slope[step:-step] = height[2 * step :] - height[: -2 * step]
    shade = 1 + np.clip(slope / 260, -0.34, 0.3) * np.minimum(cover / 90, 1)
    pixels = np.asarray(picture, dtype=np.float32) * shade[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _exposed(picture: Image.Image, light: str, rng: random.Random, difficulty: float) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    pixels = (pixels - 128) * np.float32(1 + rng.uniform(-0.13, 0.08) * min(difficulty, 2)) + 128
    if light == "sunset":
        pixels = pixels * np.array([1.08, 0.86, 0.68], np.float32) + np.array([12, 3, 0], np.float32)
    elif light == "night":
        pixels = pixels * np.array([0.46, 0.52, 0.7], np.float32) + np.array([2, 4, 12], np.float32)
    elif light == "fog":
        pixels = pixels * np.float32(0.58) + np.array([205, 209, 214], np.float32) * np.float32(0.42)
    pixels = pixels * np.float32(1 + rng.uniform(-0.11, 0.09) * min(difficulty, 2))
    numbers = np.random.default_rng(rng.getrandbits(64))
    grain = numbers.standard_normal(pixels.shape, dtype=np.float32)
    pixels = pixels + grain * np.float32(rng.uniform(1.5, 7.0) * difficulty)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
