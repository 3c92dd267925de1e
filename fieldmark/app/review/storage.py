"""The room that concepts, runs and what is kept beside them take; folders of both that are taken in."""

import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fieldmark.app.concepts.named import concept_home
from fieldmark.errors import FieldmarkError, InputError, RunError
from fieldmark.records import Record
from fieldmark.tools.concepts.folder import POOL, RECORD, SETUP, ConceptFolder, concept_folders, slug_of
from fieldmark.tools.runs.folder import RunFolder

KEPT = {
    "answers": "answers of language models, and what is known of image files",
    "vectors": "vectors of images and texts",
    "studio": "small pictures for these pages",
    "aviary": "drawn birds",
}
"""What lies under the home beside concepts, in words."""
LEFT = ("lock", "jobs", "trial")
"""What stays behind where a folder is taken in: it means nothing elsewhere."""
EXPORTED = "head.safetensors"
"""What an exported classifier has."""
COMING = ".coming-"
"""How the name of a folder begins that is being taken in: a kill leaves no half of one."""


@dataclass(frozen=True)
class Room:
    """What one folder takes.

    Attributes:
        name: What it is called.
        bytes: Of all its files.
        files: How many there are.
    """

    name: str
    bytes: int
    files: int

    @property
    def size(self) -> str:
        """Its bytes in words."""
        return size_words(self.bytes)

    @classmethod
    def of(cls, path: Path, name: str = "") -> "Room":
        """Count the files below a folder; links are not followed, and what cannot be read is passed over."""
        sizes = list(_sizes(path))
        return cls(name or path.name, sum(sizes), len(sizes))


@dataclass(frozen=True)
class Storage:
    """All of it, the largest first.

    Attributes:
        concepts: A concept each, by the name of its folder.
        runs: A run each.
        kept: What is kept between them: it is made, or asked for, again where it is needed.
    """

    concepts: tuple[Room, ...]
    runs: tuple[Room, ...]
    kept: tuple[Room, ...]

    @classmethod
    def of(cls, home: Path, runs: Path) -> "Storage":
        """Count it: this looks at every file."""
        found = sorted(path.parent for path in runs.glob("*/config.json")) if runs.is_dir() else []
        kept = [(home / name, words) for name, words in KEPT.items() if (home / name).is_dir()]
        return cls(
            _largest(Room.of(each.path) for each in concept_folders(concept_home(home))),
            _largest(map(Room.of, found)),
            _largest(Room.of(path, words) for path, words in kept),
        )

    @property
    def size(self) -> str:
        """All of it together, in words."""
        return size_words(sum(each.bytes for each in (*self.concepts, *self.runs, *self.kept)))


class TakenIn(Record):
    """A folder that was taken in."""

    kind: Literal["concept", "run"]
    name: str
    """What a concept is called, or a run's name."""
    folder: str
    """Where it lies now."""
    missing: int = 0
    """Images of a concept's pool that do not lie where they did."""


def take_in(source: Path, *, home: Path, runs: Path) -> TakenIn:
    """Copy the folder of a concept or of a run to where others are; it appears whole or not at all.

    Args:
        source: The folder, as it lay under another home or in another folder of runs.
        home: Where concepts are kept.
        runs: Where runs are.

    Raises:
        InputError: It is none of both, or is damaged, or there is one of its name.
        RunError: It cannot be copied.
    """
    if (source / RECORD).is_file():
        folder = ConceptFolder(source)
        concept, pool = folder.load(), folder.load_pool()
        if not (source / SETUP).is_file():
            raise InputError(f"{source} is not whole: {SETUP} is missing.", hint="Copy the whole folder.")
        target = concept_home(home) / slug_of(concept.name)
        _copied(source, target, called=concept.name)
        missing = sum(not image.path.is_file() for image in pool)
        return TakenIn(kind="concept", name=concept.name, folder=str(target), missing=missing)
    try:
        run = RunFolder(source)
        run_id = run.config.run_id
    except (FieldmarkError, OSError, ValidationError):
        if (source / EXPORTED).is_file():
            raise InputError(
                f"{source} is an exported classifier: it has neither labels nor pictures to go on with.",
                hint="Use it by `fieldmark concept predict`, or give the concept's own folder.",
            ) from None
        raise InputError(
            f"{source} is the folder of neither a concept nor a run.",
            hint=f"A concept's has the files {RECORD} and {POOL}, a run's has config.json.",
        ) from None
    if run_id != Path(run_id).name or run_id.startswith("."):
        raise InputError(f"{run_id!r} is no name of a run.")
    target = runs / run_id
    _copied(source, target, called=run_id)
    return TakenIn(kind="run", name=run_id, folder=str(target))


def _copied(source: Path, target: Path, *, called: str) -> None:
    if target.exists() or source.resolve() == target.resolve():
        raise InputError(f"There is one called {called!r} already.", hint="Rename or move that one first.")
    coming = target.parent / f"{COMING}{secrets.token_hex(4)}"  # deeper than where runs are looked for

    def left(folder: str, names: list[str]) -> list[str]:
        inside = Path(folder) != source
        return [n for n in names if Path(folder, n).is_symlink() or (not inside and n in LEFT)]

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, coming / target.name, ignore=left)
        (coming / target.name).rename(target)
    except (OSError, shutil.Error) as error:
        raise RunError(f"{source} cannot be copied: {error}.", hint="Check the disk.") from error
    finally:
        shutil.rmtree(coming, ignore_errors=True)


def size_words(count: int) -> str:
    """Bytes in words: "1.2 MB"."""
    if count < 1000:
        return f"{count} bytes"
    power, unit = next((p, unit) for p, unit in ((9, "GB"), (6, "MB"), (3, "kB")) if count >= 10**p)
    return f"{count / 10**power:,.1f} {unit}"


def _largest(rooms: Iterable[Room]) -> tuple[Room, ...]:
    return tuple(sorted(rooms, key=lambda each: (-each.bytes, each.name)))


def _sizes(path: Path) -> Iterable[int]:
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                yield Path(folder, name).lstat().st_size
            except OSError:
                continue
