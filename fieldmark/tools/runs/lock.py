"""Holds a folder for one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldmark.errors import RunError

LOCK = "lock"


@contextmanager
def held_alone(folder: Path, *, work: str, hint: str) -> Iterator[None]:
    """Hold a folder alone; the lock goes with the process, however that ends.

    Args:
        folder: The folder. A file `lock` is made in it, and stays.
        work: What is worked on, for the message: "the run", "the concept".
        hint: What to do where somebody else holds it.

    Raises:
        RunError: Somebody else holds it: another process, or another call in this one.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"Another process is working on {work} in {folder}.", hint=hint) from None
    try:
        yield
    finally:
        lock.release()
