"""Draws a flock: pictures of freely mixed birds in one flat folder, with the truth about each beside them."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldmark.aviary.world.attributes import HABITATS, KIND_BY_NOUN, LIGHT_SHARES, LIGHTS, NOUNS
from fieldmark.aviary.world.dataset import MARKER_FILE, TRUTH_FILE, is_complete, versions, written_whole
from fieldmark.aviary.world.render_files import FileTask, render_files
from fieldmark.aviary.world.species import random_marks
from fieldmark.errors import InputError
from fieldmark.reading import read_text

FLOCK = "flock"
_FORMAT = 1
"""Goes up when the same settings give other pictures."""


@dataclass(frozen=True, slots=True)
class FlockTruth:
    """What one picture of a flock shows."""

    file: str
    """File name in the flock's folder."""
    kind: str | None
    """The kind of bird that fixes its build; None for a free mixture."""
    marks: dict[str, str]
    habitat: str
    light: str
    seed: int
    """The render seed; together with the rest it gives the picture again."""


def plan_flock(
    count: int, *, seed: int, kind_share: float = 0.0, habitat_correlation: float = 0.0
) -> list[FlockTruth]:
    """Decide what every picture will show.

    Args:
        count: How many pictures.
        seed: Decides everything; a larger count adds pictures and leaves the first ones as they are.
        kind_share: Share of birds whose build is that of one of the ten kinds.
        habitat_correlation: Share of those in the habitat that the kind prefers; all others are spread
            evenly over the six habitats.
    """
    planned: list[FlockTruth] = []
    for number in range(1, count + 1):
        rng = random.Random(f"fieldmark aviary flock {seed} {number}")
        kind = rng.choice(NOUNS) if rng.random() < kind_share else None
        marks = random_marks(rng, kind)
        habitat = rng.choice(HABITATS)
        if kind is not None and rng.random() < habitat_correlation:
            habitat = KIND_BY_NOUN[kind].habitat
        light = rng.choices(LIGHTS, LIGHT_SHARES)[0]
        planned.append(FlockTruth(f"{number:05d}.jpg", kind, marks, habitat, light, rng.getrandbits(48)))
    return planned


def render_flock(
    out: Path,
    count: int,
    *,
    seed: int,
    kind_share: float = 0.0,
    habitat_correlation: float = 0.0,
    size: int = 128,
    difficulty: float = 1.0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[FlockTruth]:
    """Draw a flock `<out>/00001.jpg …`, or reuse the one that is complete there.

    Beside the pictures lie `truth.json` (for evaluation only) and `aviary.json` (the settings, the mark of
    a complete flock). A kill leaves no half flock; the same arguments give the same bytes on the same
    versions of Pillow and numpy.

    Args:
        out: The folder; made if it does not exist.
        count: How many pictures.
        seed: See `plan_flock`.
        kind_share: See `plan_flock`.
        habitat_correlation: See `plan_flock`.
        size: Edge of the pictures, pixels.
        difficulty: See `render.render`.
        workers: Processes; small flocks are drawn in this one.
        progress: Called with (pictures done, pictures in all) now and then.

    Returns:
        The truth about every picture, in the order of file names.

    Raises:
        InputError: If arguments make no sense, or if `out` holds anything but this very flock.
    """
    shares_fit = 0 <= kind_share <= 1 and 0 <= habitat_correlation <= 1
    if not 1 <= count <= 99_999 or workers < 1 or not shares_fit:
        raise InputError(
            f"A flock has 1 to 99999 pictures, at least one worker and shares between 0 and 1, not {count} "
            f"pictures, {workers} workers and shares of {kind_share} and {habitat_correlation}."
        )
    planned = plan_flock(count, seed=seed, kind_share=kind_share, habitat_correlation=habitat_correlation)
    settings: dict[str, object] = {
        "format": _FORMAT,
        "kind": FLOCK,
        "count": count,
        "seed": seed,
        "kind_share": kind_share,
        "habitat_correlation": habitat_correlation,
        "size": size,
        "difficulty": difficulty,
        **versions(),
    }
    if is_complete(out, settings):
        return planned
    with written_whole(out, settings) as part:
        render_files(
            [
                FileTask(str(part / p.file), p.marks, p.habitat, p.light, p.seed, size, difficulty)
                for p in planned
            ],
            workers=workers,
            progress=progress,
        )
        truth = {"flock": [asdict(each) for each in planned]}
        (part / TRUTH_FILE).write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return planned


def read_flock(folder: Path) -> list[FlockTruth]:
    """Read the truth about every picture of a flock.

    Raises:
        InputError: If the folder is no complete flock.
    """
    if not is_flock(folder):
        raise InputError(f"{folder} is no complete flock.", hint="Draw one with render_flock.")
    data = json.loads(read_text(folder / TRUTH_FILE))
    return [FlockTruth(**row) for row in data["flock"]]


def is_flock(folder: Path) -> bool:
    """Whether the folder is a complete flock."""
    marker = folder / MARKER_FILE
    return marker.is_file() and json.loads(read_text(marker)).get("kind") == FLOCK
