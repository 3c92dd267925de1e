"""What the tests of the vector store on disk share: rows, and checks of what came back."""

import logging
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.vectorstore import DiskVectorStore, open_vector_store

WIDTH = 8
ROW = WIDTH * 2
KEYS = [f"key{i}" for i in range(10)]
ROWS = np.random.default_rng(0).standard_normal((10, WIDTH)).astype(np.float16)
MORE = np.random.default_rng(1).standard_normal((10, WIDTH)).astype(np.float16)
Start = Callable[..., subprocess.Popen[str]]


def data(folder: Path) -> Path:
    (path,) = folder.glob("rows.*.f16")
    return path


def edit(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "index.sqlite")) as index, index:
        index.execute(statement, values)


def check(store: DiskVectorStore, *, lost: set[int] = frozenset()) -> None:  # pyright: ignore
    """Every row is as it was put, but those that are lost."""
    got, found = store.get_many(KEYS)
    assert found.tolist() == [i not in lost for i in range(10)]
    assert got[found].tobytes() == ROWS[found].tobytes()
    assert not got[~found].any()


def check_lost_and_healed(folder: Path, lost: set[int], caplog: pytest.LogCaptureFixture) -> None:
    """The lost rows are misses: logged, counted, reported, and stored anew by the next put."""
    with open_vector_store(folder, width=WIDTH) as store:
        with caplog.at_level(logging.WARNING):
            check(store, lost=lost)
        assert store.refused == len(lost)
        assert len(caplog.records) == bool(lost)
        report = store.verify()
        assert report.checked == 10
        assert {bad.key for bad in report.bad} == {KEYS[i] for i in lost}
        store.put_many(["new"], MORE[:1])
        check(store, lost=lost)
        store.put_many(KEYS, ROWS)
        check(store)
        assert store.get_many(["new"])[0].tobytes() == MORE[:1].tobytes()
        assert store.verify().ok
