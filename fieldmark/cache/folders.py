"""Makes folders that only their owner can enter, writes files and removes folders, whole or not at all."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from fieldmark.errors import CacheError, InputError, RunError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
USUAL_FILE = 0o666
"""Less the process's mask: for files in a folder that the user named."""
TEMPORARY_SUFFIX = ".tmp"
GOING = ".deleted-"
"""How the name of a folder begins that is being deleted."""


def private_folder(folder: str | Path) -> Path:
    """Make `folder` exist with mode 0700 and return its absolute path.

    Missing parents are made with the same mode. A folder that others may enter is closed to them.

    Raises:
        InputError: It is no path.
        CacheError: It is no folder, cannot be made, or belongs to someone else.
    """
    path = Path(checked_place(folder, "folder")).absolute()
    try:
        missing = [path, *path.parents]
        for each in reversed(missing[: next(i for i, p in enumerate(missing) if p.exists())]):
            each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        if not path.is_dir():
            raise CacheError(f"{path} is not a folder.", hint="Give the cache a folder of its own.")
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~PRIVATE_FOLDER:
            path.chmod(mode & PRIVATE_FOLDER)
    except OSError as error:
        raise cache_error(path, error) from error
    return path


def checked_place(given: str | Path, field: str) -> str:
    """A path or an address as text.

    Raises:
        InputError: It is neither; with the argument's name.
    """
    if not isinstance(given, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance] - not all have types
        raise InputError(f"{field} is not a path but {given!r}.", hint="Give a text or a Path.", field=field)
    return str(given)


def cache_error(path: Path, error: Exception) -> CacheError:
    """The error to raise when the file system or SQLite refuses to serve the store at `path`."""
    return CacheError(
        f"The store at {path} cannot be used: {error}.",
        hint="Check that the folder is yours, writable, on a local disk and that the disk is not full; "
        "a damaged store can be moved aside.",
    )


def write_whole(path: Path, parts: Sequence[bytes | memoryview], *, mode: int = PRIVATE_FILE) -> None:
    """Write a file so that, whatever happens, it is there complete or not there.

    The parts go to a temporary file beside it, which is flushed to the disk and then renamed.

    Args:
        path: The file.
        parts: What it shall hold.
        mode: Who may open it, less what the process's mask takes away.

    Raises:
        OSError: The file could not be written; the temporary file is removed again.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def remove_folder(path: Path) -> Callable[[], None]:
    """Take a folder out of the one that it lies in, at once; what is returned deletes its files.

    It gets another name, which begins with `GOING`: a kill leaves no half of it behind, and what earlier
    kills left is deleted along.

    Raises:
        RunError: It is a link, or cannot be moved.
    """
    if path.is_symlink():
        raise RunError(f"{path} is a link.", hint="Delete the folder where it lies.")
    try:
        path.rename(path.with_name(f"{GOING}{path.name}-{secrets.token_hex(4)}"))
    except OSError as error:
        raise RunError(
            f"{path} cannot be removed: {error.strerror}.", hint="Check whose folder it is."
        ) from error

    def clear() -> None:
        for left in path.parent.glob(f"{GOING}*"):
            shutil.rmtree(left, ignore_errors=True)

    return clear


def sizes_and_times(paths: Iterable[Path]) -> list[tuple[int, float]]:
    """Size (bytes) and time of the last change (Unix seconds) of each file that is still there."""
    held: list[tuple[int, float]] = []
    for path in paths:
        with suppress(FileNotFoundError):
            status = path.stat()
            held.append((status.st_size, status.st_mtime))
    return held


def flush_folder(folder: Path) -> None:
    """Flush the folder's list of names, so that a new file is still there after a power cut."""
    if os.name == "nt":  # Windows cannot open a folder for that
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
