"""Keeps what was read from files in memory for as long as the files are as they were."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Stamp = tuple[tuple[int, int] | None, ...]


class FileMemo(Generic[T]):
    """What was read last, by a name; for several threads.

    Args:
        most: How many things stay in memory; what was used longest ago goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[Stamp, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, files: Sequence[Path], read: Callable[[], T]) -> T:
        """What has this name; read anew where a file changed, came or went.

        Args:
            name: What it is kept by.
            files: The files that it is read from.
            read: Reads it.
        """
        now = tuple(map(_stamp, files))
        with self._lock:
            kept = self._kept.get(name)
        if kept is not None and kept[0] == now:
            return kept[1]
        found = read()
        with self._lock:
            self._kept[name] = (now, found)
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
