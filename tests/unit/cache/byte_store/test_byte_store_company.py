"""The byte store on disk through damage and full disks, kills and company."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from fieldmark.cache import bytestore
from fieldmark.cache.bytestore import open_byte_store
from fieldmark.errors import CacheError
from tests.unit.cache.byte_store.rows import EXPECTED, TAG, Start, all_values


def test_damaged_pages_never_yield_a_wrong_value(tmp_path: Path):
    with open_byte_store(tmp_path) as store:
        for i in range(300):
            store.put(f"k{i}", b"%d" % i * 300, schema=TAG)
    path = tmp_path / "cache.db"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = os.urandom(8192)
    path.write_bytes(data)
    with open_byte_store(tmp_path) as store:
        assert not store.verify().ok
        for i in range(300):
            try:
                assert store.get(f"k{i}", schema=TAG) in (None, b"%d" % i * 300)
            except CacheError as error:
                assert str(tmp_path) in str(error)


def test_a_full_disk_raises_stores_nothing_and_passes(
    folder: Path, full_disk: Callable[[int], AbstractContextManager[None]]
):
    with open_byte_store(folder) as store:
        with full_disk(200_000):
            for i in range(3):
                with pytest.raises(CacheError, match="disk is not full"):
                    store.put(f"large{i}", b"x" * 1_000_000, schema=TAG)
            assert all_values(store) == EXPECTED
            assert store.get("large0", schema=TAG) is None
        store.put("large0", b"x" * 1_000_000, schema=TAG)
        assert store.get("large0", schema=TAG) == b"x" * 1_000_000
        assert store.verify().ok


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), OSError(28, "No space left")])
def test_whatever_writing_raises_becomes_a_cache_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    with open_byte_store(folder) as store:

        def fail(*_: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(store._rows, "_row_insert", fail)
            with pytest.raises(CacheError, match=r"disk I/O error|No space left"):
                store.put("new", b"v", schema=TAG)
        store.put("new", b"v", schema=TAG)
        assert store.get("new", schema=TAG) == b"v"


def test_a_commit_that_fails_stores_nothing_and_passes(folder: Path):
    with open_byte_store(folder) as store:
        store._rows._con.set_authorizer(  # pyright: ignore
            lambda action, arg, *_: (
                sqlite3.SQLITE_DENY
                if (action, arg) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
                else sqlite3.SQLITE_OK
            )
        )
        with pytest.raises(CacheError, match="not authorized"):
            store.put("new", b"v", schema=TAG)
        assert store.get("new", schema=TAG) is None
        store.put("new", b"v", schema=TAG)
        with open_byte_store(folder) as other:
            assert other.get("new", schema=TAG) == b"v"
            other.put("newer", b"v", schema=TAG)


def test_a_store_that_stays_locked_is_an_error_not_a_hang(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bytestore, "WAIT_S", 0.05)
    with open_byte_store(folder) as store, closing(sqlite3.connect(folder / "cache.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.get("k0", schema=TAG) == b"value 0"
        with pytest.raises(CacheError, match="locked"):
            store.put("new", b"v", schema=TAG)
        other.execute("ROLLBACK")
        store.put("new", b"v", schema=TAG)


WRITER = f"""
import sys
from fieldmark.cache.bytestore import open_byte_store
folder, name, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = open_byte_store(folder)
for i in range(count):
    store.put(f"{{name}}{{i}}", (f"{{name}}{{i}}".encode() * size)[:size], schema={TAG!r})
    print(i, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, start: Start):
    size = 100_000  # so that most of the time goes into writing
    acknowledged: dict[str, int] = {}
    for turn in range(3):
        process = start(WRITER, tmp_path, f"t{turn}-", 1_000_000, size)
        assert process.stdout
        for _ in range(10 + turn):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = [line for line in process.stdout.read().split("\n") if line]
        acknowledged[f"t{turn}-"] = int(rest[-1]) + 1 if rest else 10 + turn
    with open_byte_store(tmp_path) as store:
        assert store.verify().ok
        for name, count in acknowledged.items():
            for i in range(count):
                key = f"{name}{i}"
                assert store.get(key, schema=TAG) == (key.encode() * size)[:size]


def test_processes_write_open_and_read_at_once(folder: Path, start: Start):
    writers = [start(WRITER, folder, name, 300, 500) for name in "ab"]
    deadline = time.monotonic() + 60
    while any(writer.poll() is None for writer in writers) and time.monotonic() < deadline:
        with open_byte_store(folder) as store:  # opening writes settings, between the others' writes
            assert all_values(store) == EXPECTED
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with open_byte_store(folder) as store:
        for name in "ab":
            for i in range(300):
                key = f"{name}{i}"
                assert store.get(key, schema=TAG) == (key.encode() * 500)[:500]
        assert store.stats().entries == 605
        assert store.verify().ok


def test_processes_may_make_the_store_at_the_same_moment(tmp_path: Path, start: Start):
    writers = [start(WRITER, tmp_path / "new", name, 5, 10) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0] * 3
    with open_byte_store(tmp_path / "new") as store:
        assert store.stats().entries == 15


def test_threads_share_one_store(folder: Path):
    wrong: list[object] = []
    with open_byte_store(folder) as store:

        def work(name: str) -> None:
            try:
                for i in range(100):
                    store.put(f"{name}{i}", name.encode(), schema=TAG)
                    if store.get(f"{name}{i}", schema=TAG) != name.encode():
                        wrong.append((name, i))
            except CacheError as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in "wxyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert store.stats().entries == 405
