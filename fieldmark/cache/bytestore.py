"""Stores bytes by key, each with a schema tag and a checksum; a value that does not fit is a miss.

Nothing read back is ever unpickled or run.
"""

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, Self, cast

from diskcache import Cache  # pyright: ignore[reportMissingTypeStubs]
from diskcache import Timeout as StoreTimeout  # pyright: ignore[reportMissingTypeStubs]
from filelock import FileLock, Timeout

from fieldmark.cache._sqlite import WAIT_S, connect, refuse_unknown_tables, transaction, translated
from fieldmark.cache.disk import BytesDisk, RefusedRowError
from fieldmark.cache.envelope import DamagedValueError, checked_key, checked_value, log_refused, seal, unseal
from fieldmark.cache.folders import cache_error, private_folder, sizes_and_times
from fieldmark.cache.reports import BadEntry, StoreStats, VerifyReport, iso_time
from fieldmark.errors import CacheError

_log = logging.getLogger(__name__)

_DATABASE = "cache.db"  # diskcache's name for it
_CLAIMS = "claims"
# Every setting is given on every opening, so that none is taken from the file.
_SETTINGS: dict[str, object] = {
    "eviction_policy": "none",  # an answer that was paid for is never dropped to save space
    "cull_limit": 0,
    "size_limit": 2**62,
    "statistics": 0,
    "tag_index": 0,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 1,
    "disk_min_file_size": 2**62,
    "disk_pickle_protocol": 0,
}
_COUNTERS = ("count", "size", "hits", "misses")
_TRIGGERS = ("count_insert", "count_delete", "size_insert", "size_update", "size_delete")
_KNOWN = frozenset(
    ("Settings", "Cache", "Cache_key_raw", "Cache_expire_time", *(f"Settings_{name}" for name in _TRIGGERS))
)


class ByteStore(Protocol):
    """Bytes by key. A value is returned exactly as it was put, or not at all.

    A stored value that is damaged, was put under another key, or carries another schema tag counts as
    absent: that is logged and never raised. Errors of the store itself (a full disk) are raised as
    `CacheError`, and then nothing was stored.
    """

    def get(self, key: str, *, schema: str) -> bytes | None:
        """The value put last under `key`, if it carries the tag `schema`; else `None`."""
        ...

    def put(self, key: str, value: bytes, *, schema: str) -> None:
        """Store `value` with the tag `schema`, in place of what `key` held. Kept once this returns."""
        ...

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Say that `key` is about to be put; the claim lasts as long as the context.

        False where somebody else who uses the store, in any process, holds it: wait, and look again. A claim
        goes with the process that holds it, however that ends.
        """
        ...


class LastingByteStore(ByteStore, Protocol):
    """A `ByteStore` that outlives the process: what the commands about the cache work on.

    Its methods raise `CacheError` where the store cannot be read or written.
    """

    @property
    def where(self) -> str:
        """Where it is, for people: a folder or a server, without a password."""
        ...

    def stats(self) -> StoreStats:
        """How much is stored."""
        ...

    def verify(self) -> VerifyReport:
        """Read every entry and name those that cannot be returned. Nothing is changed."""
        ...

    def prune(self, older_than_days: float) -> int:
        """Remove the entries that were put more than so many days ago, and say how many."""
        ...

    def clear(self) -> int:
        """Remove every entry, and say how many. What was paid for will be paid for again."""
        ...


class MemoryByteStore:
    """A `ByteStore` that lasts as long as the object.

    Attributes:
        refused: How many reads found a value that could not be returned.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._sealed: dict[str, bytes] = {}

    def get(self, key: str, *, schema: str) -> bytes | None:
        """See `ByteStore`."""
        sealed = self._sealed.get(checked_key(key))
        if sealed is None:
            return None
        try:
            return unseal(sealed, key=key, schema=schema)
        except DamagedValueError as error:
            self.refused += 1
            log_refused(key, str(error))
            return None

    @contextmanager
    def claim(self, key: str) -> Generator[bool]:
        """See `ByteStore`. Nobody in another process can share it, so that every claim holds."""
        checked_key(key)
        yield True

    def put(self, key: str, value: bytes, *, schema: str) -> None:
        """See `ByteStore`."""
        self._sealed[key] = seal(checked_value(value), key=checked_key(key), schema=schema)

    def __len__(self) -> int:
        return len(self._sealed)


class _Rows(Protocol):
    """What is used of `diskcache.Cache`, typed."""

    def get(self, key: str) -> object: ...
    def set(self, key: str, value: bytes) -> bool: ...
    def close(self) -> None: ...


class DiskByteStore:
    """A `ByteStore` in a folder, for any number of processes and threads at once.

    Use `open_byte_store` and close it, or use it as a context manager. Values lie in one SQLite file.
    A put is safe from a kill once it returns; a power cut may lose the last ones, damaging none.

    Attributes:
        folder: The folder, absolute, mode 0700.
        refused: How many reads found a value that could not be returned.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = private_folder(folder)
        self.refused = 0
        self._rows: _Rows | None = _open_rows(self.folder)

    @property
    def where(self) -> str:
        """See `LastingByteStore`."""
        return str(self.folder)

    def get(self, key: str, *, schema: str) -> bytes | None:
        """See `ByteStore`.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        rows = self._opened()
        try:
            sealed = rows.get(checked_key(key))
            return None if sealed is None else unseal(cast("bytes", sealed), key=key, schema=schema)
        except (RefusedRowError, DamagedValueError) as error:
            self._refuse(key, str(error))
        except sqlite3.Error as error:
            if "decode to UTF-8" not in str(error):
                raise cache_error(self.folder, error) from error
            self._refuse(key, "the row holds text that is none")
        return None

    def put(self, key: str, value: bytes, *, schema: str) -> None:
        """See `ByteStore`.

        Raises:
            CacheError: The value could not be stored, or the store is closed.
        """
        rows = self._opened()
        sealed = seal(checked_value(value), key=checked_key(key), schema=schema)
        try:
            rows.set(key, sealed)
        except StoreTimeout as error:
            # diskcache reports every failure to begin a write as a timeout.
            rows.close()
            reason = RuntimeError(f"it is read-only, or another process kept it locked for {WAIT_S} s")
            raise cache_error(self.folder, reason) from error
        except (sqlite3.Error, OSError) as error:
            # A failed commit leaves the connection inside its transaction; the next use opens a new one.
            rows.close()
            raise cache_error(self.folder, error) from error

    @contextmanager
    def claim(self, key: str) -> Generator[bool]:
        """See `ByteStore`. A file stands for the claim as long as it is held."""
        name = hashlib.sha256(checked_key(key).encode()).hexdigest()[:32]
        lock = FileLock(self.folder / _CLAIMS / f"{name}.lock", thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError) as error:
            # A folder in which nothing can be locked: better asked twice than not at all.
            _log.info("Nothing can be claimed in %s: %s.", self.folder, error)
            yield True
            return
        try:
            yield True
        finally:
            # Whoever opened it already and claims it now looks for the value first.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def stats(self) -> StoreStats:
        """See `LastingByteStore`.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        with self._database() as database:
            entries, oldest, newest = database.execute(
                "SELECT COUNT(*), MIN(store_time), MAX(store_time) FROM Cache"
            ).fetchone()
        files = sizes_and_times(self.folder.glob(f"{_DATABASE}*"))
        return StoreStats(
            entries=entries,
            bytes=sum(size for size, _ in files),
            oldest=iso_time(oldest),
            newest=iso_time(newest),
        )

    def verify(self) -> VerifyReport:
        """See `LastingByteStore`.

        Raises:
            CacheError: The store cannot be read, or is closed.
        """
        checked, bad = 0, list[BadEntry]()
        with self._database() as database:
            try:
                for (said,) in database.execute("PRAGMA quick_check"):
                    if said != "ok":
                        bad.append(BadEntry(key=_DATABASE, reason=str(said)))
                for row in database.execute("SELECT key, raw, mode, filename, value, expire_time FROM Cache"):
                    checked += 1
                    reason = _reason_against(*row)
                    if reason:
                        bad.append(BadEntry(key=str(row[0])[:200], reason=reason))
            except sqlite3.DatabaseError as error:  # pages so damaged that reading ends here
                bad.append(BadEntry(key=_DATABASE, reason=str(error)))
        return VerifyReport(checked=checked, bad=tuple(bad))

    def prune(self, older_than_days: float) -> int:
        """See `LastingByteStore`.

        Raises:
            CacheError: The store cannot be written, or is closed.
            ValueError: A negative age.
        """
        if older_than_days < 0:
            raise ValueError(f"An age must not be negative: {older_than_days}.")
        before = time.time() - older_than_days * 86_400
        with self._database() as database, transaction(database):
            return database.execute("DELETE FROM Cache WHERE store_time < ?", (before,)).rowcount

    def clear(self) -> int:
        """See `LastingByteStore`.

        Raises:
            CacheError: The store cannot be written, or is closed.
        """
        with self._database() as database, transaction(database):
            return database.execute("DELETE FROM Cache").rowcount

    def close(self) -> None:
        """Close the store; closing twice is fine. Connections of other threads close when these end."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> _Rows:
        if self._rows is None:
            raise CacheError(f"The store at {self.folder} is closed.")
        return self._rows

    def _refuse(self, key: str, reason: str) -> None:
        self.refused += 1
        log_refused(key, reason)

    @contextmanager
    def _database(self) -> Generator[sqlite3.Connection]:
        # diskcache's own iteration stops at the first odd row, so whole-store work reads its table.
        self._opened()
        with translated(self.folder):
            database = connect(self.folder / _DATABASE)
            try:
                yield database
            finally:
                database.close()


def open_byte_store(folder: str | Path) -> DiskByteStore:
    """Open (or make) the byte store in `folder`; the only way such a folder is to be opened.

    Raises:
        CacheError: The folder cannot be made, read or written, or holds something else.
    """
    return DiskByteStore(folder)


def _open_rows(folder: Path) -> _Rows:
    name = str(folder)
    if os.path.expandvars(name) != name:  # diskcache would expand it and open another folder
        raise CacheError(f"A cache folder cannot have {name!r} as its path.", hint="Leave the $ out.")
    with translated(folder), _clean_settings(folder / _DATABASE):
        try:
            rows = Cache(name, timeout=WAIT_S, disk=BytesDisk, **_SETTINGS)
        except StoreTimeout as error:
            raise cache_error(folder, RuntimeError("another process keeps it locked")) from error
    return cast("_Rows", rows)


@contextmanager
def _clean_settings(path: Path) -> Generator[None]:
    """Drop settings that differ from ours, before diskcache makes attributes and pragmas of them.

    While diskcache opens, the connection stays: as the last one out it would flush everything to the disk.
    """
    if not path.exists():
        yield
        return
    database = connect(path)
    try:
        refuse_unknown_tables(database, path.parent, _KNOWN)
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'Settings'").fetchone():
            _drop_unknown_settings(database, path.parent)
        yield
    finally:
        database.close()


def _drop_unknown_settings(database: sqlite3.Connection, folder: Path) -> None:
    unknown = [
        (number,)
        for number, key, value in database.execute("SELECT rowid, key, value FROM Settings")
        if key not in _COUNTERS and (key not in _SETTINGS or _SETTINGS[key] != value)
    ]
    if unknown:
        _log.warning("Dropped %d unknown settings found in the store at %s.", len(unknown), folder)
        with transaction(database):
            database.executemany("DELETE FROM Settings WHERE rowid = ?", unknown)


def _reason_against(
    key: object, raw: object, mode: object, filename: object, value: object, expires: object
) -> str:
    disk = BytesDisk("")
    try:
        name = disk.get(key, raw)
        unseal(disk.fetch(mode, filename, value, False), key=name, schema=None)
    except (RefusedRowError, DamagedValueError) as error:
        return str(error)
    return "" if expires is None else "an expiry was set from outside"
