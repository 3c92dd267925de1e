"""What the tests of the byte store on disk share: entries, and hands that edit the database."""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from fieldmark.cache.bytestore import DiskByteStore

TAG = "fieldmark.answer/1"
Start = Callable[..., subprocess.Popen[str]]


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.made),))


def edit(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute(statement, values)


def ask(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "cache.db")) as database:
        return database.execute(statement).fetchall()


def all_values(store: DiskByteStore) -> list[bytes | None]:
    return [store.get(f"k{i}", schema=TAG) for i in range(5)]


EXPECTED = [b"value %d" % i for i in range(5)]
