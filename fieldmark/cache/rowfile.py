"""A file of fixed-width float16 rows, read through a memory map, each row checked against a CRC-32."""

import mmap
import os
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.cache.folders import PRIVATE_FILE, flush_folder
from fieldmark.reading import check_open

Rows = npt.NDArray[np.float16]
Found = npt.NDArray[np.bool_]

_STORED = np.dtype("<f2")


def row_bytes(width: int) -> int:
    """Bytes that a row of so many values takes in a file."""
    return width * _STORED.itemsize


@contextmanager
def row_file(path: Path, *, write: bool) -> Generator[FileIO | None]:
    """Open a row file: to read, `None` if there is none; to write, made if there is none.

    Raises:
        OSError: It cannot be opened or made.
    """
    made = write and not path.exists()
    flags = (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY) | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe must not hold up whoever reads it
    try:
        descriptor = os.open(path, flags, PRIVATE_FILE)
    except FileNotFoundError:  # nothing put yet, or cleared this moment
        yield None
        return
    with FileIO(descriptor, "r+" if write else "r") as file:
        check_open(file, path)
        if made:
            flush_folder(path.parent)
        yield file


def read_rows(
    file: FileIO | None, keys: Sequence[str], places: Mapping[str, tuple[object, object]], *, width: int
) -> tuple[Rows, Found]:
    """Copy rows out of the file.

    Args:
        file: The file, or `None` where there is none.
        keys: M keys.
        places: Key → (row number, CRC-32 over key and row), as an index claims them: not trusted.
        width: Values per row.

    Returns:
        Rows, float16 `[M, width]`, zeros where there is none, and bool `[M]`: whether the row lies inside the
        file and has its checksum.
    """
    rows = np.zeros((len(keys), width), _STORED)
    found = np.zeros(len(keys), np.bool_)
    held = 0 if file is None else os.fstat(file.fileno()).st_size // row_bytes(width)
    claims = [(i, *places[key]) for i, key in enumerate(keys) if key in places]
    usable = [(i, n, crc) for i, n, crc in claims if type(n) is int and 0 <= n < held]
    if file is not None and usable:
        copied = _copied(file, held, width, np.array([n for _, n, _ in usable], np.int64))
        sums = checksums([keys[i] for i, _, _ in usable], copied)
        sound = np.array([crc == actual for (_, _, crc), actual in zip(usable, sums, strict=True)], np.bool_)
        if len(usable) == len(keys) and sound.all():  # the usual case: spares two copies of everything
            return copied.astype(np.float16, copy=False), sound
        where = np.array([i for i, _, _ in usable], np.int64)
        rows[where[sound]] = copied[sound]
        found[where] = sound
    return rows.astype(np.float16, copy=False), found


def write_rows(file: FileIO, first: int, rows: Rows) -> Rows:
    """Write rows from row number `first` on, over whatever is there, and flush them to the disk.

    Returns:
        The rows as they were written, for `checksums`.

    Raises:
        OSError: Not all of it could be written (a full disk).
    """
    stored = np.ascontiguousarray(rows, dtype=_STORED)
    left = stored.data.cast("B")
    file.seek(first * row_bytes(stored.shape[1]))
    while left:
        written = file.write(left)  # unbuffered, so it may write only a part
        left = left[written or 0 :]
    os.fsync(file.fileno())
    return stored


def checksums(keys: Sequence[str], rows: Rows) -> list[int]:
    """CRC-32 over each key and its row, so that a row that belongs to another key does not pass."""
    data, size = rows.data.cast("B"), rows.shape[1] * rows.itemsize
    crc32 = zlib.crc32
    return [crc32(data[i * size : (i + 1) * size], crc32(key.encode())) for i, key in enumerate(keys)]


def _copied(file: FileIO, held: int, width: int, numbers: npt.NDArray[np.int64]) -> Rows:
    copied = np.empty((len(numbers), width), _STORED)
    with mmap.mmap(file.fileno(), held * row_bytes(width), access=mmap.ACCESS_READ) as mapped:
        every = np.frombuffer(mapped, _STORED).reshape(held, width)
        # All numbers are in range; the mode "raise" would copy twice.
        np.take(every, numbers, axis=0, out=copied, mode="clip")
        del every  # a map that is looked at cannot be closed
    return copied
