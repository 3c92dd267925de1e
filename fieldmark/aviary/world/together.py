"""Draws pictures of one or two birds in one flat folder, with the species of each picture beside them."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldmark.aviary.world.attributes import HABITATS, LIGHT_SHARES, LIGHTS
from fieldmark.aviary.world.dataset import CLASSES_FILE, TRUTH_FILE, is_complete, versions, written_whole
from fieldmark.aviary.world.render_files import FileTask, render_files
from fieldmark.aviary.world.species import Species, book_to_json, world_hash
from fieldmark.errors import InputError

LABELS_FILE = "labels.csv"
_FORMAT = 1
"""Goes up when the same settings give other pictures."""


@dataclass(frozen=True, slots=True)
class TogetherTruth:
    """What one picture shows."""

    file: str
    """File name in the folder."""
    species: tuple[str, ...]
    """One species, or two of them, the one on the left first."""
    habitat: str
    light: str
    seed: int


def plan_together(
    book: Sequence[Species], *, images_per_species: int, seed: int, two: float = 0.7
) -> list[TogetherTruth]:
    """Decide what every picture will show.

    Args:
        book: The species, at least two.
        images_per_species: Pictures that each is drawn for; it also stands beside others in some of theirs.
        seed: Decides everything.
        two: Share of pictures that show a second bird, of any other species.
    """
    rng = random.Random(f"fieldmark aviary together {seed}")
    first = [species.name for species in book for _ in range(images_per_species)]
    rng.shuffle(first)
    planned: list[TogetherTruth] = []
    for number, name in enumerate(first, 1):
        shown = [name]
        if rng.random() < two:
            shown.append(rng.choice([species.name for species in book if species.name != name]))
        habitat, light = rng.choice(HABITATS), rng.choices(LIGHTS, LIGHT_SHARES)[0]
        planned.append(TogetherTruth(f"{number:05d}.jpg", tuple(shown), habitat, light, rng.getrandbits(48)))
    return planned


def render_together(
    out: Path,
    book: Sequence[Species],
    *,
    images_per_species: int,
    seed: int,
    size: int = 128,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[TogetherTruth]:
    """Draw the pictures `<out>/00001.jpg …`, or reuse those that are complete there.

    Beside them lie `classes.txt`, `labels.csv` (for evaluation and calibration: image, and its species
    joined by "|"), `truth.json` and `aviary.json` (the settings, the mark of a complete set).

    Args:
        out: The folder; made if it does not exist.
        book: The species.
        images_per_species: See `plan_together`.
        seed: See `plan_together`.
        size: Edge of the pictures, pixels.
        workers: Processes; small sets are drawn in this one.
        progress: Called with (pictures done, pictures in all) now and then.

    Returns:
        The truth about every picture, in the order of file names.

    Raises:
        InputError: If there are fewer than two species, or `out` holds anything but these very pictures.
    """
    if len(book) < 2 or images_per_species < 1:
        raise InputError("Birds stand together where there are two species, each in a picture at least.")
    planned = plan_together(book, images_per_species=images_per_species, seed=seed)
    settings: dict[str, object] = {
        "format": _FORMAT,
        "kind": "together",
        "world": world_hash(book),
        "images_per_species": images_per_species,
        "seed": seed,
        "size": size,
        **versions(),
    }
    if is_complete(out, settings):
        return planned
    with written_whole(out, settings) as part:
        marks = {species.name: dict(species.marks) for species in book}
        tasks = [
            FileTask(
                file=str(part / each.file),
                marks=marks[each.species[0]],
                habitat=each.habitat,
                light=each.light,
                seed=each.seed,
                size=size,
                difficulty=1.0,
                beside=marks[each.species[1]] if len(each.species) > 1 else None,
            )
            for each in planned
        ]
        render_files(tasks, workers=workers, progress=progress)
        (part / CLASSES_FILE).write_text("".join(f"{name}\n" for name in marks), encoding="utf-8")
        rows = "".join(f"{each.file},{'|'.join(each.species)}\n" for each in planned)
        (part / LABELS_FILE).write_text(f"image,labels\n{rows}", encoding="utf-8")
        truth = {"book": json.loads(book_to_json(book)), "images": [], "together": list(map(asdict, planned))}
        (part / TRUTH_FILE).write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return planned
