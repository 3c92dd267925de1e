"""Looks into folders below a few allowed ones, for a page; a name is only compared, never made a path."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.given_paths import is_text

DRIVES = ("/media/*/*", "/run/media/*/*", "/mnt/*", "/Volumes/*")
"""Where the drives are that a person plugs in."""
MOST_ENTRIES = 50_000
"""Entries of one folder that are looked at."""
MOST_FOLDERS = 500
"""Folders that are named."""


@dataclass(frozen=True)
class FolderLook:
    """What is in a folder.

    Attributes:
        path: The folder.
        parts: The names that lead to it from its root.
        folders: Names of the folders in it, hidden ones left out.
        pictures: Files in it that are pictures by their names.
        whole: Whether all of it was looked at, and all folders are named.
    """

    path: Path
    parts: tuple[str, ...]
    folders: tuple[str, ...]
    pictures: int
    whole: bool


def usual_roots() -> tuple[Path, ...]:
    """The home folder, the folder that one works in, and the drives; none lies within another."""
    found: list[Path] = []
    for usual in (Path.home, Path.cwd):
        with suppress(OSError, RuntimeError):  # nobody's, or gone
            found.append(usual())
    for pattern in DRIVES:
        with suppress(OSError):  # a drive that was pulled out
            found += sorted(Path("/").glob(pattern[1:]))
    real: dict[Path, None] = {}
    for path in found:
        with suppress(OSError, RuntimeError):
            if path.is_dir() and path.resolve() != Path("/"):
                real[path.resolve()] = None
    return tuple(
        path for path in real if not any(path != other and path.is_relative_to(other) for other in real)
    )


def look_into(roots: Sequence[Path], root: int, parts: Sequence[str]) -> FolderLook:
    """What is in a folder below one of the roots.

    Args:
        roots: Folders that may be looked into.
        root: The number of one of them, from 0.
        parts: Names that lead from it to the folder, each of a folder in the one before.

    Raises:
        InputError: There is no such folder, or it lies outside of the roots or cannot be read.
    """
    if not 0 <= root < len(roots):
        raise _not_there()
    path = roots[root]
    for part in parts:
        found = next((each for each in _folders(path, roots) if each.name == part), None)
        if found is None:
            raise _not_there()
        path = Path(found.path)
    names = [each.name for each in _folders(path, roots)]
    suffixes = image_suffixes()
    files = [each.name for each in _entries(path)]
    return FolderLook(
        path=path,
        parts=tuple(parts),
        folders=tuple(sorted(names, key=str.casefold)[:MOST_FOLDERS]),
        pictures=sum(Path(each).suffix.lower() in suffixes for each in files if not each.startswith(".")),
        whole=len(files) < MOST_ENTRIES and len(names) <= MOST_FOLDERS,
    )


def _folders(path: Path, roots: Sequence[Path]) -> Iterator["os.DirEntry[str]"]:
    """Folders in a folder; of links those that lead to a place below a root."""
    for entry in _entries(path):
        if entry.name.startswith(".") or not is_text(entry.name):
            continue
        try:
            if not entry.is_dir() or (entry.is_symlink() and not _allowed(Path(entry.path), roots)):
                continue
        except OSError:
            continue
        yield entry


def _allowed(path: Path, roots: Sequence[Path]) -> bool:
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a circle of links
        return False
    below = [real.relative_to(base) for root in roots if real.is_relative_to(base := root.resolve())]
    return any(not any(part.startswith(".") for part in each.parts) for each in below)


def _entries(path: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(path) as entries:
            for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False):
                yield entry
    except OSError as error:
        raise InputError(
            f"{path} cannot be looked into: {error.strerror}.", hint="Choose another folder."
        ) from error


def _not_there() -> InputError:
    return InputError("There is no such folder here.", hint="It may have another name by now.")
