"""Writes a species book as an ordinary image folder, with the truth about every image beside it.

Knows nothing about models or methods; nothing but the class folder tells what an image shows.
"""

import json
import multiprocessing
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from fieldmark.evals.aviary.attributes import HABITATS, KIND_BY_NOUN, LIGHT_SHARES, LIGHTS
from fieldmark.evals.aviary.render import render
from fieldmark.evals.aviary.species import Species, book_to_json, world_hash

MARKER_FILE = "aviary.json"
CLASSES_FILE = "classes.txt"
TRUTH_FILE = "truth.json"
_JPEG_QUALITY = 92
_SERIAL_LIMIT = 200
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """What one image shows."""

    file: str
    """Path relative to the data set folder, with forward slashes."""
    species: str
    habitat: str
    light: str
    seed: int
    """The render seed; together with the marks it gives the picture again."""


def plan_images(
    book: Sequence[Species], *, images_per_species: int, seed: int, habitat_correlation: float
) -> list[ImageTruth]:
    """Decide what every image will show, in book order.

    Args:
        book: The species.
        images_per_species: Images of each.
        seed: Decides habitats, lights and the render seeds.
        habitat_correlation: Share of images in the habitat that the kind of bird prefers; the others
            are spread evenly over all six. 0 means that the habitat tells nothing.
    """
    planned: list[ImageTruth] = []
    for species in book:
        rng = random.Random(f"fieldmark aviary images {seed} {species.name}")
        for number in range(1, images_per_species + 1):
            habitat = rng.choice(HABITATS)
            if rng.random() < habitat_correlation:
                habitat = KIND_BY_NOUN[species.noun].habitat
            light = rng.choices(LIGHTS, LIGHT_SHARES)[0]
            file = f"{species.name}/{number:04d}.jpg"
            planned.append(ImageTruth(file, species.name, habitat, light, rng.getrandbits(48)))
    return planned


def render_dataset(
    out: Path,
    book: Sequence[Species],
    *,
    images_per_species: int = 20,
    seed: int,
    habitat_correlation: float = 0.0,
    size: int = 128,
    difficulty: float = 1.0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[ImageTruth]:
    """Render a data set `<out>/<species name>/0001.jpg …`, or reuse the one that is complete there.

    Beside the class folders lie `classes.txt` (one name a line, book order), `truth.json` (for
    evaluation only: book and per-image habitat and light) and `aviary.json` (the settings, the mark
    of a complete data set). Everything is written to a temporary folder beside `out` and renamed, so
    a kill leaves no half data set. The same arguments give the same bytes on the same versions of
    Pillow and numpy.

    Args:
        out: The data set folder; made if it does not exist.
        book: The species; names must be unique.
        images_per_species: Images of each.
        seed: Decides everything about the images.
        habitat_correlation: See `plan_images`; 0 in tests of spurious correlation.
        size: Edge of the images, pixels.
        difficulty: See `render.render`.
        workers: Processes; small data sets are rendered in this one.
        progress: Called with (images done, images in all) now and then.

    Returns:
        The truth about every image, in book order.

    Raises:
        ValueError: If arguments make no sense.
        FileExistsError: If `out` holds anything else than this very data set.
    """
    if images_per_species < 1 or workers < 1 or not 0 <= habitat_correlation <= 1:
        raise ValueError(
            "images_per_species and workers must be at least 1 and habitat_correlation between 0 and 1, "
            f"got {images_per_species}, {workers}, {habitat_correlation}"
        )
    if not book or len({species.name for species in book}) != len(book):
        raise ValueError("a data set needs a book of at least one species, each name once")
    planned = plan_images(
        book, images_per_species=images_per_species, seed=seed, habitat_correlation=habitat_correlation
    )
    settings = {
        "format": _FORMAT,
        "world": world_hash(book),
        "images_per_species": images_per_species,
        "seed": seed,
        "habitat_correlation": habitat_correlation,
        "size": size,
        "difficulty": difficulty,
        "pillow": PIL.__version__,
        "numpy": np.__version__,
    }
    if _is_complete(out, settings):
        return planned
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        _render_all(part, book, planned, size, difficulty, workers, progress)
        (part / CLASSES_FILE).write_text("".join(f"{s.name}\n" for s in book), encoding="utf-8")
        truth = {"book": json.loads(book_to_json(book)), "images": [asdict(image) for image in planned]}
        (part / TRUTH_FILE).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        (part / MARKER_FILE).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return planned


def read_truth(folder: Path) -> tuple[tuple[Species, ...], list[ImageTruth]]:
    """Read the book and the truth about every image of a data set.

    Raises:
        FileNotFoundError: If the folder is no complete aviary data set.
    """
    if not (folder / MARKER_FILE).is_file():
        raise FileNotFoundError(f"{folder} is no complete aviary data set; render it with render_dataset")
    data = json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
    book = tuple(
        Species(row["name"], row["noun"], row["family"], row["marks"], known=row["known"])
        for row in data["book"]["species"]
    )
    return book, [ImageTruth(**row) for row in data["images"]]


def _is_complete(out: Path, settings: dict[str, object]) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    marker = out / MARKER_FILE
    if not marker.is_file():
        raise FileExistsError(f"{out} is not empty and no aviary data set; give an empty or new folder")
    found = json.loads(marker.read_text(encoding="utf-8"))
    if found != settings:
        changed = [key for key in settings if found.get(key) != settings[key]]
        raise FileExistsError(
            f"{out} holds an aviary data set with other settings ({', '.join(changed)}); "
            "give another folder or remove that one"
        )
    return True


# One task holds plain values only, so that it can be sent to a spawned process.
_Task = tuple[str, tuple[tuple[str, str], ...], str, str, int, int, float]


def _render_file(task: _Task) -> None:
    file, marks, habitat, light, seed, size, difficulty = task
    picture = render(dict(marks), habitat=habitat, light=light, seed=seed, size=size, difficulty=difficulty)
    picture.save(Path(file), "JPEG", quality=_JPEG_QUALITY)


def _render_all(
    folder: Path,
    book: Sequence[Species],
    planned: Sequence[ImageTruth],
    size: int,
    difficulty: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    marks = {species.name: tuple(species.marks.items()) for species in book}
    for name in marks:
        (folder / name).mkdir()
    tasks: list[_Task] = [
        (str(folder / p.file), marks[p.species], p.habitat, p.light, p.seed, size, difficulty)
        for p in planned
    ]
    if workers == 1 or len(tasks) <= _SERIAL_LIMIT or not _can_spawn():
        for done, task in enumerate(tasks, 1):
            _render_file(task)
            _tell(progress, done, len(tasks))
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, _ in enumerate(pool.imap_unordered(_render_file, tasks, chunksize=25), 1):
            _tell(progress, done, len(tasks))


def _can_spawn() -> bool:
    # A spawned process imports the caller's main module again. A script read from standard input has
    # none on disk, and a daemonic process may have no children; both render serially instead.
    import __main__

    file = getattr(__main__, "__file__", None)
    return (file is None or Path(file).exists()) and not multiprocessing.current_process().daemon


def _tell(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None and (done % 25 == 0 or done == total):
        progress(done, total)


def open_image(folder: Path, truth: ImageTruth) -> Image.Image:
    """Open one image of a data set as RGB."""
    with Image.open(folder / truth.file) as picture:
        return picture.convert("RGB")
