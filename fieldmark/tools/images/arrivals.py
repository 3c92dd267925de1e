"""Tells which image files have come into folders since the last look, once they are written to their end."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fieldmark.tools.images.files import image_files

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


class Arrivals:
    """Looks at folders again and again; a file is told once, and again where it was written anew.

    A camera or a copy takes its time: a file is told only when a second look finds it as the first one did.
    Folders are looked at by listing them, which also works on drives of a network, where no kernel tells of
    changes.

    Args:
        folders: What to look at, with the folders inside.
        known: Files that are not told unless they change from now on.
    """

    def __init__(self, folders: Sequence[Path], *, known: Iterable[Path] = ()) -> None:
        self._folders = tuple(folders)
        self._seen: dict[Path, Stamp] = {}
        self._told: dict[Path, Stamp] = {}
        for path in known:
            if (stamp := _stamp(path)) is not None:
                self._told[path] = stamp

    def look(self) -> tuple[Path, ...]:
        """The files that are new or changed, and that lie still since the last look; in the order of names.

        A folder that is not there, as a drive that was taken out, has no files for now.
        """
        now = {
            path: stamp
            for folder in self._folders
            if folder.is_dir()
            for path in image_files(folder)[0]
            if (stamp := _stamp(path)) is not None
        }
        found = tuple(
            path
            for path, stamp in now.items()
            if self._told.get(path) != stamp and self._seen.get(path) == stamp
        )
        # What has gone is forgotten, so that a camera that reuses names for months takes no memory.
        self._told = {path: stamp for path, stamp in self._told.items() if path in now}
        self._told |= {path: now[path] for path in found}
        self._seen = now
        return found


def _stamp(path: Path) -> Stamp | None:
    """Its size and time; None where it is no file by now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
