"""Writes a species book as an ordinary image folder, with the truth about every image beside it."""

import json
import random
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from fieldmark.aviary.world.attributes import HABITATS, KIND_BY_NOUN, LIGHT_SHARES, LIGHTS
from fieldmark.aviary.world.render_files import FileTask, render_files
from fieldmark.aviary.world.species import Species, book_from_json, book_to_json, world_hash
from fieldmark.errors import InputError
from fieldmark.reading import open_regular, read_text

MARKER_FILE = "aviary.json"
CLASSES_FILE = "classes.txt"
TRUTH_FILE = "truth.json"
_FORMAT = 1
"""Goes up when the same settings give other images."""
_VERSIONS = ("pillow", "numpy")
"""Noted in the marker for the reader; another version of a library is no reason to render again."""


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
    book: Sequence[Species],
    *,
    images_per_species: int,
    seed: int,
    habitat_correlation: float,
    burst: int = 1,
    own_homes: bool = False,
) -> list[ImageTruth]:
    """Decide what every image will show, in book order.

    Args:
        book: The species.
        images_per_species: Images of each.
        seed: Decides habitats, lights and the render seeds.
        habitat_correlation: Share of images in the habitat that the kind of bird prefers; the others
            are spread evenly over all six. 0 means that the habitat tells nothing.
        burst: So many images in a row are of one bird: its place and light are those of the first.
        own_homes: Each species prefers a habitat of its own (`home_of`), not that of its kind.
    """
    planned: list[ImageTruth] = []
    for species in book:
        rng = random.Random(f"fieldmark aviary images {seed} {species.name}")
        for number in range(1, images_per_species + 1):
            habitat = rng.choice(HABITATS)
            if rng.random() < habitat_correlation:
                habitat = home_of(species, seed) if own_homes else KIND_BY_NOUN[species.noun].habitat
            light = rng.choices(LIGHTS, LIGHT_SHARES)[0]
            if (number - 1) % burst:
                habitat, light = planned[-1].habitat, planned[-1].light
            file = f"{species.name}/{number:04d}.jpg"
            planned.append(ImageTruth(file, species.name, habitat, light, rng.getrandbits(48)))
    return planned


def home_of(species: Species, seed: int) -> str:
    """The habitat that a species prefers where look-alikes live apart."""
    return random.Random(f"fieldmark aviary home {seed} {species.name}").choice(HABITATS)


def render_dataset(
    out: Path,
    book: Sequence[Species],
    *,
    images_per_species: int = 20,
    seed: int,
    habitat_correlation: float = 0.0,
    size: int = 128,
    difficulty: float = 1.0,
    burst: int = 1,
    own_homes: bool = False,
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
        burst: See `plan_images`.
        own_homes: See `plan_images`.
        workers: Processes; small data sets are rendered in this one.
        progress: Called with (images done, images in all) now and then.

    Returns:
        The truth about every image, in book order.

    Raises:
        InputError: If arguments make no sense, or if `out` holds anything but this very data set.
    """
    if images_per_species < 1 or workers < 1 or not 0 <= habitat_correlation <= 1:
        raise InputError(
            "images_per_species and workers must be at least 1 and habitat_correlation between 0 and 1, "
            f"not {images_per_species}, {workers} and {habitat_correlation}."
        )
    if not book or len({species.name for species in book}) != len(book):
        raise InputError("A data set needs a book of at least one species, each name once.")
    planned = plan_images(
        book,
        images_per_species=images_per_species,
        seed=seed,
        habitat_correlation=habitat_correlation,
        burst=burst,
        own_homes=own_homes,
    )
    settings = {
        "format": _FORMAT,
        "world": world_hash(book),
        "images_per_species": images_per_species,
        "seed": seed,
        "habitat_correlation": habitat_correlation,
        "size": size,
        "difficulty": difficulty,
        **({"burst": burst} if burst > 1 else {}),
        **({"own_homes": True} if own_homes else {}),
        **versions(),
    }
    if is_complete(out, settings):
        return planned
    with written_whole(out, settings) as part:
        marks = {species.name: dict(species.marks) for species in book}
        for name in marks:
            (part / name).mkdir()
        tasks = [
            FileTask(str(part / p.file), marks[p.species], p.habitat, p.light, p.seed, size, difficulty)
            for p in planned
        ]
        render_files(tasks, workers=workers, progress=progress)
        (part / CLASSES_FILE).write_text("".join(f"{s.name}\n" for s in book), encoding="utf-8")
        truth = {"book": json.loads(book_to_json(book)), "images": [asdict(image) for image in planned]}
        (part / TRUTH_FILE).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return planned


def read_truth(folder: Path) -> tuple[tuple[Species, ...], list[ImageTruth]]:
    """Read the book and the truth about every image of a data set.

    Raises:
        InputError: If the folder is no complete aviary data set.
    """
    if not (folder / MARKER_FILE).is_file():
        raise InputError(f"{folder} is no complete aviary data set.", hint="Render it with render_dataset.")
    data = json.loads(read_text(folder / TRUTH_FILE))
    book = book_from_json(json.dumps(data["book"]))
    return book, [ImageTruth(**row) for row in data["images"]]


def is_complete(out: Path, settings: dict[str, object]) -> bool:
    """Whether `out` holds the complete data set of these settings; False where it is missing or empty.

    Raises:
        InputError: If it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    marker = out / MARKER_FILE
    if not marker.is_file():
        raise InputError(f"{out} is not empty and no aviary data set.", hint="Give an empty or a new folder.")
    found = json.loads(read_text(marker))
    changed = [key for key in settings if key not in _VERSIONS and found.get(key) != settings[key]]
    if changed:
        raise InputError(
            f"{out} holds an aviary data set with other settings ({', '.join(changed)}).",
            hint="Give another folder, or remove that one.",
        )
    return True


def versions() -> dict[str, object]:
    """The libraries that decide what settings look like, for the marker."""
    return {"pillow": PIL.__version__, "numpy": np.__version__}


@contextmanager
def written_whole(out: Path, settings: dict[str, object]) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place, marked as complete, once all is written to it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    part.mkdir()
    try:
        yield part
        (part / MARKER_FILE).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        _put_in_place(part, out, settings)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put_in_place(part: Path, out: Path, settings: dict[str, object]) -> None:
    """Rename a complete data set to its place; where another process was quicker, its own stays.

    Raises:
        InputError: Something else has come to lie there meanwhile.
    """
    try:
        if out.exists():
            out.rmdir()
        part.rename(out)
    except OSError:
        if not is_complete(out, settings):
            raise


def open_image(folder: Path, truth: ImageTruth) -> Image.Image:
    """Open one image of a data set as RGB."""
    with open_regular(folder / truth.file) as file, Image.open(file) as picture:
        return picture.convert("RGB")
