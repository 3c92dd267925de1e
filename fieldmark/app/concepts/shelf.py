"""The concepts of one home, by the names of their folders."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from fieldmark.agents.define.progress import PROGRESS
from fieldmark.app.concepts.catalogue import ConceptSummary, summary_of
from fieldmark.app.concepts.making import unmade
from fieldmark.app.concepts.named import concept_home
from fieldmark.cache.file_memo import FileMemo
from fieldmark.errors import InputError
from fieldmark.tools.concepts.built import MODELS
from fieldmark.tools.concepts.folder import POOL, RECORD, ConceptFolder, concept_folders
from fieldmark.tools.images.image_file import ImageFile

MOST = 256
"""Summaries that stay in memory."""
MOST_POOLS = 4
"""Pools that stay in memory; one of 100,000 images takes some fifty megabytes."""


class PoolFiles(Mapping[str, ImageFile]):
    """The images of a concept's pool by content hash, each made when wanted: a page wants a few of many.

    Args:
        folder: The concept's folder.

    Raises:
        InputError: The pool is missing or damaged.
    """

    def __init__(self, folder: ConceptFolder) -> None:
        self._paths = {content_hash: path for path, content_hash in folder.pool_rows()}

    def __getitem__(self, content_hash: str) -> ImageFile:
        return ImageFile(Path(self._paths[content_hash]), content_hash)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class ConceptShelf:
    """The concepts of one home.

    Args:
        home: Where they are kept.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._pools = FileMemo[PoolFiles](MOST_POOLS)
        self._summaries = FileMemo[ConceptSummary](MOST)
        self._alone: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def summaries(self) -> tuple[ConceptSummary, ...]:
        """All of them, by name; a damaged one with what is wrong."""
        found = [self.summary(folder) for folder in concept_folders(concept_home(self.home))]
        return tuple(sorted(found, key=lambda each: each.name.casefold()))

    def unmade(self) -> tuple[ConceptFolder, ...]:
        """Concepts that were wished and are not made."""
        return unmade(self.home)

    def summary(self, folder: ConceptFolder) -> ConceptSummary:
        """One concept at a glance."""
        path = folder.path
        files = [path / RECORD, path / POOL, path / PROGRESS, *sorted(path.glob(f"{MODELS}/*/*.json"))]
        return self._summaries.get(path.name, files, lambda: summary_of(folder))

    def folder(self, name: str) -> ConceptFolder:
        """The concept in the folder of this name, made or yet to be made.

        A name is only compared, never made a path.

        Raises:
            InputError: There is no such concept.
        """
        for found in (*concept_folders(concept_home(self.home)), *self.unmade()):
            if found.path.name == name:
                return found
        raise InputError("There is no such concept.", hint="It may have another name by now.")

    def pool(self, folder: ConceptFolder) -> Mapping[str, ImageFile]:
        """The images of a concept's pool, by content hash.

        Raises:
            InputError: The pool is missing or damaged.
        """
        return self._pools.get(folder.path.name, [folder.path / POOL], lambda: PoolFiles(folder))

    def alone(self, folder: ConceptFolder) -> threading.Lock:
        """What a page holds while it changes a concept: two clicks wait for each other."""
        with self._guard:
            return self._alone.setdefault(folder.path.name, threading.Lock())
