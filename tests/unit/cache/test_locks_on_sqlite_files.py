"""Locks on SQLite files outlive every look at them: otherwise another process removes the log in use.

POSIX locks of a process on a file are gone as soon as it closes any descriptor of that file, however it was
opened (sqlite.org/howtocorrupt.html, 2.2).
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.bytestore import open_byte_store
from fieldmark.cache.inventory import open_vector_stores
from fieldmark.cache.vectorstore import open_vector_store

KEYS, ROWS = ["a"], np.ones((1, 2), np.float16)

VISIT_VECTORS = """
import sys, numpy as np
from fieldmark.cache.vectorstore import open_vector_store
with open_vector_store(sys.argv[1], width=2) as store:
    store.put_many(["visitor"], np.ones((1, 2), np.float16))
"""

VISIT_BYTES = """
import sys
from fieldmark.cache.bytestore import open_byte_store
with open_byte_store(sys.argv[1]) as store:
    store.put("visitor", b"1", schema="s")
"""

Start = Callable[..., subprocess.Popen[str]]


def look_at_vectors(folder: Path) -> None:
    open_vector_store(folder, width=2).close()
    for store in open_vector_stores(folder.parent):
        store.close()


def look_at_bytes(folder: Path) -> None:
    with open_byte_store(folder) as store:
        store.stats()
        store.verify()


def test_vectors_in_use_keep_their_log_when_another_process_leaves(tmp_path: Path, start: Start) -> None:
    with open_vector_store(tmp_path / "v", width=2) as store:
        store.put_many(KEYS, ROWS)
        look_at_vectors(tmp_path / "v")
        assert start(VISIT_VECTORS, tmp_path / "v").wait(60) == 0
        assert (tmp_path / "v" / "index.sqlite-wal").exists()
        store.put_many(["b"], ROWS)
        assert store.get_many(["a", "visitor", "b"])[1].all()


@pytest.mark.parametrize("look", ["at a second store", "at this one"])
def test_values_in_use_keep_their_log_when_another_process_leaves(
    tmp_path: Path, start: Start, look: str
) -> None:
    with open_byte_store(tmp_path / "b") as store:
        store.put("a", b"1", schema="s")
        if look == "at this one":
            store.stats()
        else:
            look_at_bytes(tmp_path / "b")
        assert start(VISIT_BYTES, tmp_path / "b").wait(60) == 0
        assert (tmp_path / "b" / "cache.db-wal").exists()
        store.put("b", b"2", schema="s")
        assert [store.get(key, schema="s") for key in ("a", "visitor", "b")] == [b"1", b"1", b"2"]
