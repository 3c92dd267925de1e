"""The room that concepts, runs and what is kept beside them take."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fieldmark.app.concepts.named import concept_home
from fieldmark.app.review.listing import all_folders
from fieldmark.reading import size_in_words
from fieldmark.tools.concepts.folder import concept_folders

KEPT = {
    "answers": "answers of language models, and what is known of image files",
    "vectors": "vectors of images and texts",
    "studio": "small pictures for these pages",
    "aviary": "drawn birds",
}
"""What lies under the home beside concepts, in words."""
FRESH_S = 60.0
"""How long a count is shown before it is made anew, in seconds."""


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
        return size_in_words(self.bytes)

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
        found = all_folders(runs) if runs.is_dir() else []
        kept = [(home / name, words) for name, words in KEPT.items() if (home / name).is_dir()]
        return cls(
            _largest(Room.of(each.path) for each in concept_folders(concept_home(home))),
            _largest(map(Room.of, found)),
            _largest(Room.of(path, words) for path, words in kept),
        )

    @property
    def size(self) -> str:
        """All of it together, in words."""
        return size_in_words(sum(each.bytes for each in (*self.concepts, *self.runs, *self.kept)))


class CountedStorage:
    """What all of it takes, as it was counted last: with many files a count takes seconds.

    Args:
        home: Where concepts are kept.
        runs: Where runs are.
        clock: The time, in seconds since 1970.
    """

    def __init__(self, home: Path, runs: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._home, self._runs, self._clock = home, runs, clock
        self._kept: tuple[float, Storage] | None = None
        self._one_by_one = threading.Lock()

    def read(self, *, again: bool = False) -> tuple[Storage, float]:
        """What was counted, and when; counted now where that is longer ago than `FRESH_S`.

        Args:
            again: Count now in any case.
        """
        asked = self._clock()
        with self._one_by_one:  # who waited here takes what was counted meanwhile
            oldest = asked if again else asked - FRESH_S
            if self._kept is None or self._kept[0] < oldest:
                self._kept = self._clock(), Storage.of(self._home, self._runs)
            at, found = self._kept
        return found, at


def _largest(rooms: Iterable[Room]) -> tuple[Room, ...]:
    return tuple(sorted(rooms, key=lambda each: (-each.bytes, each.name)))


def _sizes(path: Path) -> Iterable[int]:
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                yield Path(folder, name).lstat().st_size
            except OSError:
                continue
