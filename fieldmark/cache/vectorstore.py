"""Stores fixed-width float16 rows by key, append-only; a torn or changed row is a miss."""

import logging
import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from fieldmark.cache._sqlite import Kind, connect, refuse_unknown_tables, transaction, translated
from fieldmark.cache.folders import private_folder, sizes_and_times
from fieldmark.cache.reports import BadEntry, StoreStats, VerifyReport
from fieldmark.cache.rowfile import Found, Rows, checksums, read_rows, row_file, write_rows
from fieldmark.errors import CacheError

_log = logging.getLogger(__name__)

_INDEX = "index.sqlite"
_FORMAT = "fieldmark.vectors/1"
_UNREADABLE = "the row is missing, torn or changed"
_KEYS_A_QUERY = 10_000  # SQLite takes at most 32,766 parameters


class VectorStore(Protocol):
    """Rows of `width` float16 values by key; the first row of a key stays.

    A row is returned exactly as it was put, or not at all. A damaged row counts as absent, which is logged.
    """

    @property
    def width(self) -> int:
        """Values per row."""
        ...

    def get_many(self, keys: Sequence[str]) -> tuple[Rows, Found]:
        """Look up rows.

        Args:
            keys: M keys; a key may come twice.

        Returns:
            The rows, float16 `[M, width]`, zeros where there is none, and whether each was found, bool `[M]`.
            The rows are a copy that the caller may change.
        """
        ...

    def put_many(self, keys: Sequence[str], rows: Rows) -> None:
        """Store the rows of new keys; of a key that is stored already, or comes twice, the first row stays.

        Kept, all of them, once this returns; if it raises, none was stored.

        Args:
            keys: M keys.
            rows: float16 `[M, width]`, finite.

        Raises:
            TypeError: Rows of another type than float16.
            ValueError: Rows of another shape, or not finite.
        """
        ...


class MemoryVectorStore:
    """A `VectorStore` that lasts as long as the object."""

    def __init__(self, *, width: int) -> None:
        self._width = _checked_width(width)
        self._rows: dict[str, Rows] = {}

    @property
    def width(self) -> int:
        """Values per row."""
        return self._width

    def get_many(self, keys: Sequence[str]) -> tuple[Rows, Found]:
        """See `VectorStore`."""
        _check_keys(keys)
        rows = np.zeros((len(keys), self._width), np.float16)
        found = np.zeros(len(keys), np.bool_)
        for i, key in enumerate(keys):
            row = self._rows.get(key)
            if row is not None:
                rows[i], found[i] = row, True
        return rows, found

    def put_many(self, keys: Sequence[str], rows: Rows) -> None:
        """See `VectorStore`."""
        _check_rows(keys, rows, self._width)
        for key, row in zip(keys, rows, strict=True):
            if key not in self._rows:
                self._rows[key] = row.copy()

    def clear(self) -> int:
        """Remove every row, and say how many there were."""
        count = len(self._rows)
        self._rows.clear()
        return count

    def __len__(self) -> int:
        return len(self._rows)


class DiskVectorStore:
    """A `VectorStore` in a folder, for any number of processes and threads at once.

    Use `open_vector_store` and close it, or use it as a context manager.

    The rows lie one after the other in `rows.<generation>.f16` (little-endian); `index.sqlite` says which key
    has which row, with a CRC-32 of key and row. A writer holds the index's write lock, writes its rows
    after the last committed one, flushes them, and then commits the index: bytes of a writer that was
    killed are in no index and are written over. Clearing starts a new generation, so that a reader's
    mapped file never shrinks under it.

    Attributes:
        folder: The folder, absolute, mode 0700.
        refused: How many reads found a row that could not be returned.
    """

    def __init__(self, folder: str | Path, *, width: int) -> None:
        self._width = _checked_width(width)
        self.folder = private_folder(folder)
        self.refused = 0
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._closed = False
        self._index: sqlite3.Connection | None = self._open_index()

    @property
    def width(self) -> int:
        """Values per row."""
        return self._width

    def get_many(self, keys: Sequence[str]) -> tuple[Rows, Found]:
        """See `VectorStore`.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        _check_keys(keys)
        with self._transaction("DEFERRED") as index:
            places = self._places(index, keys)
            _, generation = self._end_and_generation(index)
            with row_file(self._path(generation), write=False) as file:
                rows, found = read_rows(file, keys, places, width=self._width)
        self._refuse([key for key, ok in zip(keys, found.tolist(), strict=True) if key in places and not ok])
        return rows, found

    def put_many(self, keys: Sequence[str], rows: Rows) -> None:
        """See `VectorStore`. A stored row that can no longer be read is replaced.

        Raises:
            CacheError: The rows could not be stored, or the store is closed.
        """
        _check_rows(keys, rows, self._width)
        with self._transaction("IMMEDIATE") as index:
            start, generation = self._end_and_generation(index)
            places = self._places(index, keys)
            with row_file(self._path(generation), write=True) as file:
                _, readable = read_rows(file, keys, places, width=self._width)
                fresh = _first_places(keys, readable)
                if file is None or not fresh:
                    return
                stored = write_rows(file, start, rows[list(fresh.values())])
            index.executemany(
                "INSERT INTO rows (key, position, crc) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET position = excluded.position, crc = excluded.crc",
                zip(fresh, range(start, start + len(fresh)), checksums([*fresh], stored), strict=True),
            )
            index.execute("UPDATE meta SET value = ? WHERE name = 'rows'", (start + len(fresh),))

    def stats(self) -> StoreStats:
        """How much is stored.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        with self._transaction("DEFERRED") as index:
            (entries,) = index.execute("SELECT COUNT(*) FROM rows").fetchone()
        files = (*self.folder.glob(f"{_INDEX}*"), *self.folder.glob("rows.*.f16"))
        size = sum(size for size, _ in sizes_and_times(files))
        return StoreStats(entries=entries, bytes=size, width=self._width)

    def verify(self) -> VerifyReport:
        """Read every row and name those that cannot be returned. Nothing is changed.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        checked, bad = 0, list[BadEntry]()
        with self._transaction("DEFERRED") as index:
            _, generation = self._end_and_generation(index)
            try:
                for (said,) in index.execute("PRAGMA quick_check"):
                    if said != "ok":
                        bad.append(BadEntry(key=_INDEX, reason=str(said)))
                with row_file(self._path(generation), write=False) as file:
                    cursor = index.execute("SELECT key, position, crc FROM rows ORDER BY position")
                    while block := cursor.fetchmany(_KEYS_A_QUERY):
                        places = {str(key): (position, crc) for key, position, crc in block}
                        _, found = read_rows(file, list(places), places, width=self._width)
                        checked += len(block)
                        for key, ok in zip(places, found.tolist(), strict=True):
                            if not ok:
                                bad.append(BadEntry(key=key[:200], reason=_UNREADABLE))
            except sqlite3.DatabaseError as error:  # pages so damaged that reading ends here
                bad.append(BadEntry(key=_INDEX, reason=str(error)))
        return VerifyReport(checked=checked, bad=tuple(bad))

    def clear(self) -> int:
        """Remove every row, and say how many there were.

        Raises:
            CacheError: The store cannot be written, or is closed.
        """
        with self._transaction("IMMEDIATE") as index:
            generation = self._end_and_generation(index)[1] + 1
            count = index.execute("DELETE FROM rows").rowcount
            index.execute("UPDATE meta SET value = 0 WHERE name = 'rows'")
            index.execute("UPDATE meta SET value = ? WHERE name = 'generation'", (generation,))
        with translated(self.folder):
            for path in self.folder.glob("rows.*.f16"):
                number = path.name.split(".")[1]
                if number.isdigit() and int(number) < generation:
                    path.unlink(missing_ok=True)
        return count

    def close(self) -> None:
        """Close the store; closing twice is fine."""
        with self._lock:
            self._closed = True
            if self._index is not None and self._process == os.getpid():
                self._index.close()
            self._index = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_index(self) -> sqlite3.Connection:
        path = self.folder / _INDEX
        index = connect(path)
        try:
            with translated(self.folder):
                refuse_unknown_tables(index, self.folder, frozenset(("meta", "rows")))
                meta = self._meta(index)
                if not meta:
                    with transaction(index):
                        self._make_tables(index)
                    meta = self._meta(index)
            self._checked_meta(meta)
        except BaseException:
            index.close()
            raise
        return index

    def _make_tables(self, index: sqlite3.Connection) -> None:
        index.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID")
        index.execute(
            "CREATE TABLE IF NOT EXISTS rows"
            " (key TEXT PRIMARY KEY, position INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
        )
        fresh = {"format": _FORMAT, "width": self._width, "rows": 0, "generation": 0}
        index.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", fresh.items())

    def _meta(self, index: sqlite3.Connection) -> dict[str, object]:
        if not index.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return {}
        return dict(index.execute("SELECT name, value FROM meta").fetchall())

    def _checked_meta(self, meta: dict[str, object]) -> tuple[int, int]:
        if meta.get("format") != _FORMAT:
            raise CacheError(
                f"The vector store at {self.folder} has format {meta.get('format')!r}, not {_FORMAT!r}.",
                hint="Move it aside, or use the version of Fieldmark that made it.",
            )
        if meta.get("width") != self._width:
            raise CacheError(
                f"The vector store at {self.folder} has rows of {meta.get('width')!r} values,"
                f" not {self._width}.",
                hint="Vectors of another model belong in another folder.",
            )
        end, generation = meta.get("rows"), meta.get("generation")
        if type(end) is int and type(generation) is int and 0 <= end < 2**48 and 0 <= generation < 2**48:
            return end, generation
        raise CacheError(
            f"The vector store at {self.folder} is damaged: rows {end!r}, generation {generation!r}.",
            hint="Move it aside; vectors are computed again when they are needed.",
        )

    @contextmanager
    def _transaction(self, kind: Kind) -> Generator[sqlite3.Connection]:
        with self._lock, translated(self.folder), transaction(self._opened(), kind) as index:
            yield index

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise CacheError(f"The store at {self.folder} is closed.")
        if self._process != os.getpid():
            # After a fork the parent's connection must be neither used nor closed here.
            if self._index is not None:
                self._inherited.append(self._index)
            self._index, self._process = None, os.getpid()
        if self._index is None:
            self._index = self._open_index()
        return self._index

    def _end_and_generation(self, index: sqlite3.Connection) -> tuple[int, int]:
        """Where the next row goes (in rows), and which file is in use, as committed by whatever process."""
        return self._checked_meta(self._meta(index))

    def _path(self, generation: int) -> Path:
        return self.folder / f"rows.{generation}.f16"

    def _places(self, index: sqlite3.Connection, keys: Sequence[str]) -> dict[str, tuple[object, object]]:
        """Key → (position, CRC) for the keys that the index holds."""
        places: dict[str, tuple[object, object]] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            block = keys[start : start + _KEYS_A_QUERY]
            placeholders = ",".join("?" * len(block))
            query = f"SELECT key, position, crc FROM rows WHERE key IN ({placeholders})"  # noqa: S608
            for key, position, crc in index.execute(query, block):
                places[key] = (position, crc)
        return places

    def _refuse(self, keys: list[str]) -> None:
        if keys:
            self.refused += len(keys)
            _log.warning(
                "%d rows of the store at %s are missing, torn or changed and count as absent (first: %.80r).",
                len(keys),
                self.folder,
                keys[0],
            )


def open_vector_store(folder: str | Path, *, width: int) -> DiskVectorStore:
    """Open (or make) the vector store in `folder`; the first opening fixes its width.

    Raises:
        CacheError: The folder cannot be made, read or written, holds something else, or rows of another
            width.
        ValueError: A width below 1.
    """
    return DiskVectorStore(folder, width=width)


def _first_places(keys: Sequence[str], readable: Found) -> dict[str, int]:
    """Key → its first place among `keys`, for the keys that cannot be read yet."""
    fresh: dict[str, int] = {}
    for i, key in enumerate(keys):
        if not readable[i]:
            fresh.setdefault(key, i)
    return fresh


def _checked_width(width: int) -> int:
    if type(width) is not int or width < 1:
        raise ValueError(f"A row must have at least 1 value, not {width!r}.")
    return width


def _check_keys(keys: Sequence[str]) -> None:
    if isinstance(keys, str) or not all(type(key) is str and key for key in keys):
        raise TypeError("Keys must be a sequence of str that are not empty.")


def _check_rows(keys: Sequence[str], rows: Rows, width: int) -> None:
    _check_keys(keys)
    if rows.dtype != np.float16:
        raise TypeError(
            f"Rows must be float16, not {rows.dtype}: round them before they are used, then store them."
        )
    if rows.shape != (len(keys), width):
        raise ValueError(
            f"{len(keys)} rows of {width} values must have shape {(len(keys), width)}, not {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError("A row holds NaN or an infinity; such a row is a failure, not a result to keep.")
