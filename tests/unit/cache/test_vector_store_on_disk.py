"""What only the vector store on disk promises: torn files, several processes, kills, full disks."""

import errno
import logging
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldmark.cache import _sqlite, rowfile, vectorstore
from fieldmark.cache.vectorstore import DiskVectorStore, open_vector_store
from fieldmark.errors import CacheError

WIDTH = 8
ROW = WIDTH * 2
KEYS = [f"key{i}" for i in range(10)]
ROWS = np.random.default_rng(0).standard_normal((10, WIDTH)).astype(np.float16)
MORE = np.random.default_rng(1).standard_normal((10, WIDTH)).astype(np.float16)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ROWS under KEYS."""
    with open_vector_store(tmp_path / "vectors", width=WIDTH) as store:
        store.put_many(KEYS, ROWS)
    return tmp_path / "vectors"


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


# ── what lasts ───────────────────────────────────────────────────────────────────────────────────


def test_rows_last_and_the_file_is_the_rows_one_after_the_other(folder: Path):
    assert data(folder).read_bytes() == ROWS.astype("<f2").tobytes()
    with open_vector_store(folder, width=WIDTH) as store:
        check(store)
        assert store.stats().model_dump(include={"entries", "width"}) == {"entries": 10, "width": WIDTH}


def test_another_width_is_an_error_that_names_both_and_changes_nothing(folder: Path):
    for width in (WIDTH - 1, WIDTH * 2):
        with pytest.raises(CacheError, match=f"8 values, not {width}"):
            open_vector_store(folder, width=width)
    with open_vector_store(folder, width=WIDTH) as store:
        check(store)


def test_a_put_of_known_keys_writes_nothing(folder: Path):
    before = data(folder).stat()
    with open_vector_store(folder, width=WIDTH) as store:
        store.put_many(KEYS[::-1], MORE)
        check(store)
    assert data(folder).stat().st_size == before.st_size
    assert data(folder).stat().st_mtime_ns == before.st_mtime_ns


def test_a_put_flushes_once_however_many_rows(folder: Path, monkeypatch: pytest.MonkeyPatch):
    flushed: list[int] = []
    monkeypatch.setattr(rowfile.os, "fsync", flushed.append)
    with open_vector_store(folder, width=WIDTH) as store:
        store.put_many([f"m{i}" for i in range(5000)], np.zeros((5000, WIDTH), np.float16))
    assert len(flushed) == 1


def test_asking_for_many_keys_takes_few_statements(folder: Path):
    keys = [*(f"absent{i}" for i in range(25_000)), *KEYS]
    with open_vector_store(folder, width=WIDTH) as store:
        statements: list[str] = []
        assert store._index
        store._index.set_trace_callback(statements.append)
        _, found = store.get_many(keys)
        store._index.set_trace_callback(None)
    assert found.sum() == 10
    assert len(statements) < 10


def test_more_keys_than_a_query_takes_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vectorstore, "_KEYS_A_QUERY", 3)
    with open_vector_store(tmp_path, width=WIDTH) as store:
        store.put_many(KEYS, ROWS)
        check(store)
        assert store.verify().checked == 10


# ── the folder ───────────────────────────────────────────────────────────────────────────────────


def test_the_folder_and_its_files_are_private(folder: Path):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(data(folder).stat().st_mode) == 0o600


def test_a_read_only_folder_is_an_error(ordinary_user: Path):
    open_vector_store(ordinary_user / "s", width=WIDTH).close()
    (ordinary_user / "s" / "index.sqlite").chmod(0o400)
    (ordinary_user / "s").chmod(0o500)
    with (
        pytest.raises(CacheError, match="writable"),
        open_vector_store(ordinary_user / "s", width=WIDTH) as store,
    ):
        store.put_many(KEYS, ROWS)
    (ordinary_user / "new").mkdir(mode=0o500)
    with pytest.raises(CacheError, match="writable"):
        open_vector_store(ordinary_user / "new", width=WIDTH)


def test_an_index_that_is_no_database_is_an_error(tmp_path: Path):
    (tmp_path / "index.sqlite").write_bytes(b"junk" * 1000)
    with pytest.raises(CacheError, match="moved aside"):
        open_vector_store(tmp_path, width=WIDTH)


def test_a_closed_store_says_so(folder: Path):
    store = open_vector_store(folder, width=WIDTH)
    store.close()
    store.close()
    for use in (
        lambda: store.get_many(KEYS),
        lambda: store.put_many(KEYS, ROWS),
        store.stats,
        store.verify,
        store.clear,
    ):
        with pytest.raises(CacheError, match="closed"):
            use()


# ── files torn, swapped and edited ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kept", [0, 1, ROW - 1, ROW, 5 * ROW, 5 * ROW + 3, 10 * ROW - 1])
def test_rows_cut_off_are_misses_and_heal(folder: Path, kept: int, caplog: pytest.LogCaptureFixture):
    os.truncate(data(folder), kept)
    check_lost_and_healed(folder, set(range(kept // ROW, 10)), caplog)


@pytest.mark.parametrize("garbage", [1, ROW - 1, ROW, 3 * ROW + 5])
def test_garbage_after_the_rows_is_never_read_and_is_written_over(
    folder: Path, garbage: int, caplog: pytest.LogCaptureFixture
):
    with data(folder).open("ab") as file:
        file.write(b"\x55" * garbage)
    check_lost_and_healed(folder, set(), caplog)
    assert data(folder).read_bytes()[10 * ROW : 11 * ROW] == MORE[:1].tobytes()


def test_a_row_that_was_torn_into_zeros_is_a_miss(folder: Path, caplog: pytest.LogCaptureFixture):
    os.truncate(data(folder), 4 * ROW + 6)
    os.truncate(data(folder), 10 * ROW)  # a hole: what a power cut leaves
    check_lost_and_healed(folder, set(range(4, 10)), caplog)


def test_any_changed_byte_makes_its_row_a_miss(folder: Path):
    path = data(folder)
    original = path.read_bytes()
    with open_vector_store(folder, width=WIDTH) as store:
        for i in range(0, len(original), 7):
            path.write_bytes(original[:i] + bytes([original[i] ^ 0x10]) + original[i + 1 :])
            check(store, lost={i // ROW})


def test_rows_swapped_for_each_other_are_misses(folder: Path, caplog: pytest.LogCaptureFixture):
    content = bytearray(data(folder).read_bytes())
    content[:ROW], content[ROW : 2 * ROW] = content[ROW : 2 * ROW], content[:ROW]
    data(folder).write_bytes(content)
    check_lost_and_healed(folder, {0, 1}, caplog)


def test_a_row_file_swapped_for_another_is_a_miss_all_over(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with open_vector_store(tmp_path / "other", width=WIDTH) as other:
        other.put_many(KEYS, MORE)
    data(tmp_path / "other").replace(data(folder))
    check_lost_and_healed(folder, set(range(10)), caplog)


def test_a_row_file_that_is_gone_is_a_miss_all_over(folder: Path, caplog: pytest.LogCaptureFixture):
    data(folder).unlink()
    check_lost_and_healed(folder, set(range(10)), caplog)


@pytest.mark.parametrize("column", ["position", "crc"])
@pytest.mark.parametrize(
    "value", [-1, 10, 2**40, 2**62, -(2**63), 3.5, "text", pickle.dumps(print), "x; DROP TABLE rows", 7]
)
def test_an_edited_index_entry_is_a_miss(
    folder: Path, column: str, value: object, caplog: pytest.LogCaptureFixture
):
    edit(folder, f"UPDATE rows SET {column} = ? WHERE key = 'key2'", value)
    check_lost_and_healed(folder, {2}, caplog)


def test_index_entries_that_trade_places_are_misses(folder: Path, caplog: pytest.LogCaptureFixture):
    with closing(sqlite3.connect(folder / "index.sqlite")) as index:
        entries = index.execute(
            "SELECT position, crc FROM rows WHERE key IN ('key2', 'key3') ORDER BY key"
        ).fetchall()
    for key, (position, crc) in zip(("key3", "key2"), entries, strict=True):
        edit(folder, "UPDATE rows SET position = ?, crc = ? WHERE key = ?", position, crc, key)
    check_lost_and_healed(folder, {2, 3}, caplog)


def test_index_text_that_is_none_is_a_miss(folder: Path, caplog: pytest.LogCaptureFixture):
    edit(folder, "UPDATE rows SET crc = CAST(x'fffe' AS TEXT) WHERE key = 'key2'")
    check_lost_and_healed(folder, {2}, caplog)


@pytest.mark.parametrize("end", [0, 3, 10_000])
def test_an_edited_end_of_the_rows_loses_at_most_what_is_written_over(folder: Path, end: int):
    edit(folder, "UPDATE meta SET value = ? WHERE name = 'rows'", end)
    with open_vector_store(folder, width=WIDTH) as store:
        store.put_many(["new"], MORE[:1])
        check(store, lost={end} & set(range(10)))
        assert store.get_many(["new"])[0].tobytes() == MORE[:1].tobytes()


@pytest.mark.parametrize("name", ["rows", "generation"])
@pytest.mark.parametrize("value", [-1, "text", None, 1.5, b"\x80\x04N.", 2**62, "../../x"])
def test_edited_meta_values_are_an_error(folder: Path, name: str, value: object):
    with open_vector_store(folder, width=WIDTH) as store:
        edit(folder, "UPDATE meta SET value = ? WHERE name = ?", value, name)
        with pytest.raises(CacheError, match="damaged"):
            store.get_many(KEYS)
        with pytest.raises(CacheError, match="damaged"):
            store.put_many(["new"], MORE[:1])
    with pytest.raises(CacheError, match="damaged"):
        open_vector_store(folder, width=WIDTH)


def test_a_later_format_is_an_error(folder: Path):
    edit(folder, "UPDATE meta SET value = 'fieldmark.vectors/2' WHERE name = 'format'")
    with pytest.raises(CacheError, match=r"fieldmark\.vectors/2"):
        open_vector_store(folder, width=WIDTH)


def test_a_trigger_from_outside_is_refused(folder: Path):
    edit(folder, "CREATE TRIGGER extra AFTER INSERT ON rows BEGIN DELETE FROM rows; END")
    with pytest.raises(CacheError, match="extra"):
        open_vector_store(folder, width=WIDTH)


def test_damaged_pages_of_the_index_never_yield_a_wrong_row(tmp_path: Path):
    keys = [f"{i:064x}" for i in range(400)]
    rows = np.random.default_rng(2).standard_normal((400, WIDTH)).astype(np.float16)
    with open_vector_store(tmp_path, width=WIDTH) as store:
        store.put_many(keys, rows)
    path = tmp_path / "index.sqlite"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with open_vector_store(tmp_path, width=WIDTH) as store:
        assert not store.verify().ok
        for i, key in enumerate(keys):
            try:
                got, found = store.get_many([key])
            except CacheError as error:
                assert str(tmp_path) in str(error)
            else:
                assert not found[0] or got[0].tobytes() == rows[i].tobytes()


# ── full disks, kills, company ───────────────────────────────────────────────────────────────────


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


# ── looking after it ─────────────────────────────────────────────────────────────────────────────


def test_stats_of_empty_and_full_stores(tmp_path: Path):
    with open_vector_store(tmp_path, width=WIDTH) as store:
        empty = store.stats()
        assert (empty.entries, empty.width) == (0, WIDTH)
        assert store.verify().model_dump() == {"checked": 0, "bad": ()}
        store.put_many([f"m{i}" for i in range(1000)], np.zeros((1000, WIDTH), np.float16))
        assert store.stats().entries == 1000
        assert store.stats().bytes - empty.bytes >= 1000 * ROW


def test_clear_empties_the_store_for_other_openings_and_frees_the_space(folder: Path):
    with open_vector_store(folder, width=WIDTH) as one, open_vector_store(folder, width=WIDTH) as other:
        old = data(folder)
        assert one.clear() == 10
        assert not old.exists()
        check(other, lost=set(range(10)))
        assert other.refused == 0  # nothing is wrong
        other.put_many(KEYS, ROWS)
        check(one)
        assert data(folder).read_bytes() == ROWS.tobytes()
        assert one.verify().ok
        assert one.clear() == 10
        assert one.clear() == 0


def test_a_clear_that_was_killed_leaves_files_that_the_next_one_removes(folder: Path):
    with open_vector_store(folder, width=WIDTH) as store:
        store.clear()
        store.put_many(KEYS, ROWS)
        (folder / "rows.0.f16").write_bytes(b"left behind")
        (folder / "rows.notes.f16").write_bytes(b"not ours")
        check(store)
        store.clear()
    assert {path.name for path in folder.glob("rows.*")} == {"rows.notes.f16"}
