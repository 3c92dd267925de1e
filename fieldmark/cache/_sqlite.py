"""Opens SQLite files and writes to them in transactions, for the stores of this folder."""

import sqlite3
import time
from collections.abc import Generator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from fieldmark.cache.folders import cache_error
from fieldmark.errors import CacheError
from fieldmark.reading import check_regular

WAIT_S = 60
"""How long to wait for another process that is writing."""


Kind = Literal["IMMEDIATE", "DEFERRED"]


def connect(path: Path) -> sqlite3.Connection:
    """Open an SQLite file in write-ahead mode, to be used by one thread at a time.

    A reader never waits for a writer. A kill loses nothing that was committed; a power cut may lose
    the last commits but damages nothing.

    Raises:
        CacheError: The file is no SQLite file, damaged, or cannot be written.
    """
    with translated(path):
        if path.exists():
            check_regular(path)
        connection = sqlite3.connect(
            path, timeout=float(WAIT_S), isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            # A column edited to hold text that is none shall be read as odd text, not end a whole query.
            connection.text_factory = _any_text
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Kind = "IMMEDIATE") -> Generator[sqlite3.Connection]:
    """Run statements as one: all of them take effect, or none.

    `IMMEDIATE` keeps other writers out from the first statement on; `DEFERRED` gives a reader one
    unchanging view.
    """
    connection.execute(f"BEGIN {kind}")
    try:
        yield connection
        # A reader has nothing to commit, and of a damaged file not even that would work.
        connection.execute("COMMIT" if kind == "IMMEDIATE" else "ROLLBACK")
    except BaseException:
        # A full disk may already have ended the transaction.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Raise errors of SQLite and the file system as `CacheError` that names the store."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise cache_error(path, error) from error


def refuse_unknown_tables(connection: sqlite3.Connection, path: Path, known: Set[str]) -> None:
    """Refuse a file with tables, triggers or views that were not made here: triggers are code.

    Raises:
        CacheError: The file holds something that is not in `known`.
    """
    names = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    unknown = sorted(name for name in names - known if not name.startswith("sqlite_"))
    if unknown:
        raise CacheError(
            f"The store at {path} holds what Fieldmark never wrote: {', '.join(unknown[:5])}.",
            hint="Move it aside; it was made or changed by something else.",
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Switching the mode does not wait for other processes as other statements do.
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _any_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
