"""Training images of the aviary: what is drawn, how often, and the arrays they are kept in."""

import io
import multiprocessing
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.aviary.world.attributes import (
    ATTRIBUTE_BY_KEY,
    HABITATS,
    KEYS,
    KIND_BY_NOUN,
    LIGHT_SHARES,
    LIGHTS,
    NOUNS,
)
from fieldmark.aviary.world.render import render
from fieldmark.aviary.world.species import Species, known_species, random_marks

IMAGE_SIZE = 64
HABITAT_CORRELATION = 0.6
_CHUNK = 500
_KNOWN_SHARE, _KIND_SHARE = 0.3, 0.45

COLUMNS: tuple[str, ...] = (*KEYS, "habitat", "light", "noun", "species")
"""Columns of the label array; noun and species are -1 where the bird is of no kind or not known."""


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Rendered images and the truth about them."""

    pixels: np.ndarray
    """uint8 `[N, 64, 64, 3]`, RGB, after the JPEG round trip and the model's own resizing."""
    labels: np.ndarray
    """int16 `[N, 20]`: index of the value in each of `COLUMNS`."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pixels)

    def column(self, name: str) -> np.ndarray:
        """Labels int64 `[N]` of one column."""
        return self.labels[:, COLUMNS.index(name)].astype(np.int64)


def marks_of(row: np.ndarray) -> dict[str, str]:
    """Turn one label row back into marks."""
    return {key: ATTRIBUTE_BY_KEY[key].values[row[i]] for i, key in enumerate(KEYS)}


def through_jpeg(picture: Image.Image, quality: int = 92) -> Image.Image:
    """Encode and decode a picture, as a file on disk would have been."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def draw_training_image(index: int, seed: int, roster: tuple[Species, ...]) -> tuple[np.ndarray, list[int]]:
    """Draw the training image with a given number.

    Returns:
        Pixels uint8 `[64, 64, 3]` and the label row.
    """
    rng = random.Random(f"fieldmark aviary training {seed} {index}")
    share, noun, known = rng.random(), None, -1
    if share < _KNOWN_SHARE:
        known = rng.randrange(len(roster))
        marks, noun = dict(roster[known].marks), roster[known].noun
    else:
        noun = rng.choice(NOUNS) if share < _KNOWN_SHARE + _KIND_SHARE else None
        marks = random_marks(rng, noun)
    habitat = rng.choice(HABITATS)
    if noun is not None and rng.random() < HABITAT_CORRELATION:
        habitat = KIND_BY_NOUN[noun].habitat
    light = rng.choices(LIGHTS, LIGHT_SHARES)[0]
    picture = render(marks, habitat=habitat, light=light, seed=rng.getrandbits(48))
    small = through_jpeg(picture).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    row = [ATTRIBUTE_BY_KEY[key].values.index(marks[key]) for key in KEYS]
    row += [HABITATS.index(habitat), LIGHTS.index(light)]
    row += [-1 if noun is None else NOUNS.index(noun), known]
    return np.asarray(small), row


def _draw_chunk(task: tuple[int, int, int]) -> tuple[int, np.ndarray, np.ndarray]:
    start, stop, seed = task
    roster = known_species()
    drawn = [draw_training_image(index, seed, roster) for index in range(start, stop)]
    return start, np.stack([pixels for pixels, _ in drawn]), np.array([row for _, row in drawn], np.int16)


def render_training_images(
    folder: Path, count: int, *, seed: int, workers: int = 2, report: Callable[[str], None] = print
) -> TrainingImages:
    """Render the training images into `folder`, or reuse those that are complete there.

    Args:
        folder: Gets `pixels.npy` and `labels.npy` (written last).
        count: Number of images.
        seed: Decides all images; image `i` is the same for any count and any number of workers.
        workers: Processes.
        report: Gets a line now and then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixels_file, labels_file = folder / f"pixels-{seed}-{count}.npy", folder / f"labels-{seed}-{count}.npy"
    if not labels_file.exists():
        shape = (count, IMAGE_SIZE, IMAGE_SIZE, 3)
        pixels = np.lib.format.open_memmap(pixels_file, mode="w+", dtype=np.uint8, shape=shape)
        labels = np.zeros((count, len(COLUMNS)), np.int16)
        tasks = [(start, min(start + _CHUNK, count), seed) for start in range(0, count, _CHUNK)]
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for done, (start, drawn, rows) in enumerate(pool.imap_unordered(_draw_chunk, tasks), 1):
                pixels[start : start + len(drawn)] = drawn
                labels[start : start + len(rows)] = rows
                if done % 20 == 0:
                    report(f"rendered {done * _CHUNK} of {count} images")
        pixels.flush()
        np.save(labels_file, labels, allow_pickle=False)
    return TrainingImages(
        np.load(pixels_file, mmap_mode="r", allow_pickle=False), np.load(labels_file, allow_pickle=False)
    )
