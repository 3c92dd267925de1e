"""The vector store on disk through full disks, kills and company."""

import errno
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldmark.cache import _sqlite, rowfile, vectorstore
from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.errors import CacheError
from tests.unit.cache.vector_store.rows import (
    KEYS,
    MORE,
    ROW,
    WIDTH,
    Start,
    check,
    data,
)


def test_a_full_disk_raises_stores_nothing_and_passes(
    folder: Path, full_disk: Callable[[int], AbstractContextManager[None]]
):
    many = [f"m{i}" for i in range(50_000)]
    rows = np.ones((50_000, WIDTH), np.float16)
    with open_vector_store(folder, width=WIDTH) as store:
        for limit in (100_000, 500_003):  # in the middle of the rows
            with full_disk(limit):
                with pytest.raises(CacheError, match="disk is not full"):
                    store.put_many(many, rows)
                check(store)
                assert not store.get_many(many)[1].any()
        with full_disk(50_000 * ROW + 10 * ROW), pytest.raises(CacheError):  # in the middle of the index
            store.put_many(many, rows)
        check(store)
        assert not store.get_many(many)[1].any()
        store.put_many(many, rows)
        assert store.get_many(many)[1].all()
        assert store.verify().ok


@pytest.mark.parametrize("when", ["write", "fsync", "index", "commit"])
def test_a_failure_at_any_step_stores_nothing_and_passes(
    folder: Path, when: str, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_vector_store(folder, width=WIDTH) as store:
        with monkeypatch.context() as patched:
            if when == "write":
                patched.setattr(vectorstore, "write_rows", fail)
            elif when == "fsync":
                patched.setattr(rowfile.os, "fsync", fail)
            elif when == "index":
                patched.setattr(vectorstore, "checksums", fail)
            else:
                assert store._index
                store._index.set_authorizer(
                    lambda action, arg, *_: (
                        sqlite3.SQLITE_DENY
                        if (action, arg) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
                        else sqlite3.SQLITE_OK
                    )
                )
            with pytest.raises(CacheError):
                store.put_many(["new"], MORE[:1])
            if when == "commit":
                assert store._index
                store._index.set_authorizer(None)
        check(store)
        assert not store.get_many(["new"])[1].any()
        store.put_many(["new"], MORE[1:2])
        assert store.get_many(["new"])[0].tobytes() == MORE[1:2].tobytes()
        check(store)


DIES = f"""
import os, signal, sys
import numpy as np
from fieldmark.cache import rowfile, vectorstore
step = sys.argv[2]
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
if step == "half":
    real = rowfile.FileIO
    class Half(real):
        def write(self, data):
            super().write(data[: len(data) // 2 + 3])
            die()
    rowfile.FileIO = Half
elif step == "flushed":
    vectorstore.checksums = die
store = vectorstore.open_vector_store(sys.argv[1], width={WIDTH})
store.put_many([f"new{{i}}" for i in range(4)], np.ones((4, {WIDTH}), np.float16))
"""


@pytest.mark.parametrize("step", ["half", "flushed"])
def test_a_kill_in_the_middle_of_a_put_leaves_no_trace(folder: Path, step: str, start: Start):
    assert start(DIES, folder, step).wait(60) == -signal.SIGKILL
    assert data(folder).stat().st_size > 10 * ROW  # it had begun
    with open_vector_store(folder, width=WIDTH) as store:
        check(store)
        new = [f"new{i}" for i in range(4)]
        assert not store.get_many(new)[1].any()
        assert store.stats().entries == 10
        assert store.verify().ok
        store.put_many(new, MORE[:4])
        assert store.get_many(new)[0].tobytes() == MORE[:4].tobytes()
        check(store)


WRITER = """
import sys
import numpy as np
from fieldmark.cache.vectorstore import open_vector_store
folder, name, seed, count, batch, width = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
store = open_vector_store(folder, width=width)
for i in range(count):
    keys = [f"{name}{j}" for j in range(i * batch, (i + 1) * batch)]
    rows = np.stack([np.random.default_rng([seed, j]).standard_normal(width)
                     for j in range(i * batch, (i + 1) * batch)])
    store.put_many(keys, rows.astype(np.float16))
    print(i, flush=True)
"""


def written(seed: int, count: int, width: int) -> np.ndarray:
    return np.stack([np.random.default_rng([seed, j]).standard_normal(width) for j in range(count)]).astype(
        np.float16
    )


def test_what_was_acknowledged_survives_kills_at_any_moment(tmp_path: Path, start: Start):
    width, batch = 2048, 16
    acknowledged: list[int] = []
    for turn in range(3):
        process = start(WRITER, tmp_path, f"t{turn}-", turn, 1_000_000, batch, width)
        assert process.stdout
        for _ in range(8 + turn):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = [line for line in process.stdout.read().split("\n") if line]
        acknowledged.append((int(rest[-1]) + 1 if rest else 8 + turn) * batch)
    with open_vector_store(tmp_path, width=width) as store:
        assert store.verify().ok
        for turn, count in enumerate(acknowledged):
            got, found = store.get_many([f"t{turn}-{j}" for j in range(count)])
            assert found.all()
            assert got.tobytes() == written(turn, count, width).tobytes()


def test_processes_write_the_same_and_other_keys_at_once(tmp_path: Path, start: Start):
    # Two write the same keys with different rows: each key has one of the two, whole.
    folder = tmp_path / "new"
    jobs = [("same", 1), ("same", 2), ("own", 3)]
    writers = [start(WRITER, folder, name, seed, 40, 5, WIDTH) for name, seed in jobs]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with open_vector_store(folder, width=WIDTH) as store:
        same, found = store.get_many([f"same{j}" for j in range(200)])
        assert found.all()
        one, other = written(1, 200, WIDTH), written(2, 200, WIDTH)
        assert all(
            s.tobytes() in (a.tobytes(), b.tobytes()) for s, a, b in zip(same, one, other, strict=True)
        )
        own, found = store.get_many([f"own{j}" for j in range(200)])
        assert found.all()
        assert own.tobytes() == written(3, 200, WIDTH).tobytes()
        assert store.stats().entries == 400
        assert store.verify().ok
    assert data(folder).stat().st_size == 400 * ROW  # no key was stored twice


def test_another_opening_sees_a_put_at_once(folder: Path):
    with open_vector_store(folder, width=WIDTH) as one, open_vector_store(folder, width=WIDTH) as other:
        assert not other.get_many(["new"])[1].any()
        one.put_many(["new"], MORE[:1])
        assert other.get_many(["new"])[0].tobytes() == MORE[:1].tobytes()
        other.put_many(["newer"], MORE[1:2])
        assert one.get_many(["newer", "new"])[0].tobytes() == MORE[[1, 0]].tobytes()


def test_threads_share_one_store(folder: Path):
    wrong: list[object] = []
    with open_vector_store(folder, width=WIDTH) as store:

        def work(number: int) -> None:
            rows = np.full((1, WIDTH), number, np.float16)
            try:
                for i in range(50):
                    store.put_many([f"t{number}-{i}"], rows)
                    got, found = store.get_many([f"t{number}-{i}"])
                    if not found[0] or got.tobytes() != rows.tobytes():
                        wrong.append((number, i))
            except CacheError as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert store.stats().entries == 210


def test_a_forked_process_opens_its_own_connection(folder: Path):
    with open_vector_store(folder, width=WIDTH) as store:
        inherited = store._index
        child = os.fork()
        if child == 0:
            ok = False
            try:
                store.put_many(["child"], MORE[:1])
                ok = bool(store.get_many(["child", *KEYS])[1].all()) and store._index is not inherited
            finally:
                os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.put_many(["parent"], MORE[1:2])
        got, found = store.get_many(["child", "parent"])
        assert found.all()
        assert got.tobytes() == MORE[:2].tobytes()
        check(store)


def test_a_store_that_stays_locked_is_an_error_not_a_hang(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_sqlite, "WAIT_S", 0.05)
    with (
        open_vector_store(folder, width=WIDTH) as store,
        closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        check(store)
        with pytest.raises(CacheError, match="locked"):
            store.put_many(["new"], MORE[:1])
        other.execute("ROLLBACK")
        store.put_many(["new"], MORE[:1])
