"""What only the byte store on disk promises: hostile rows, several processes, kills, full disks."""

import logging
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cache import bytestore
from fieldmark.cache.bytestore import DiskByteStore, open_byte_store
from fieldmark.cache.disk import BytesDisk, RefusedRowError
from fieldmark.errors import CacheError

TAG = "fieldmark.answer/1"
Start = Callable[..., subprocess.Popen[str]]


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.made),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the entries k0 … k4."""
    with open_byte_store(tmp_path / "answers") as store:
        for i in range(5):
            store.put(f"k{i}", b"value %d" % i, schema=TAG)
    return tmp_path / "answers"


def edit(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute(statement, values)


def ask(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "cache.db")) as database:
        return database.execute(statement).fetchall()


def all_values(store: DiskByteStore) -> list[bytes | None]:
    return [store.get(f"k{i}", schema=TAG) for i in range(5)]


EXPECTED = [b"value %d" % i for i in range(5)]


# ── what lasts ───────────────────────────────────────────────────────────────────────────────────


def test_values_last_beyond_the_process(folder: Path, start: Start):
    code = "import sys; from fieldmark.cache.bytestore import open_byte_store as o\n"
    code += f"print(o(sys.argv[1]).get('k3', schema={TAG!r}))"
    assert start(code, folder).communicate(timeout=60)[0].strip() == "b'value 3'"


def test_nothing_is_ever_evicted(folder: Path):
    with open_byte_store(folder) as store:
        store.put("more", b"v", schema=TAG)
    settings = dict(ask(folder, "SELECT key, value FROM Settings"))
    assert settings["eviction_policy"] == "none"
    assert settings["cull_limit"] == 0
    assert settings["size_limit"] >= 2**60


def test_nothing_is_evicted_past_the_size_limit_that_diskcache_has_by_default(folder: Path):
    # diskcache takes its word for the volume: 3 GiB, it believes.
    edit(folder, "UPDATE Settings SET value = ? WHERE key = 'size'", 3 * 2**30)
    with open_byte_store(folder) as store:
        for i in range(20):
            store.put(f"new{i}", b"v", schema=TAG)
        assert all_values(store) == EXPECTED
        assert store.stats().entries == 25


def test_settings_edited_to_evict_are_set_back_on_opening(folder: Path):
    for key, value in [("eviction_policy", "least-recently-stored"), ("size_limit", 1), ("cull_limit", 100)]:
        edit(folder, "UPDATE Settings SET value = ? WHERE key = ?", value, key)
    with open_byte_store(folder) as store:
        for i in range(20):
            store.put(f"new{i}", b"v", schema=TAG)
        assert all_values(store) == EXPECTED


def test_large_values_lie_in_the_row_and_make_no_files(folder: Path):
    with open_byte_store(folder) as store:
        store.put("large", b"x" * 3_000_000, schema=TAG)
        assert store.get("large", schema=TAG) == b"x" * 3_000_000
    assert {path.name for path in folder.rglob("*")} <= {"cache.db", "cache.db-wal", "cache.db-shm"}


def test_a_value_too_large_for_a_row_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fieldmark.cache.disk._MOST_BYTES", 1000)
    with open_byte_store(folder) as store:
        with pytest.raises(ValueError, match="at most 1000 bytes"):
            store.put("k0", b"x" * 1001, schema=TAG)
        assert all_values(store) == EXPECTED


# ── the folder ───────────────────────────────────────────────────────────────────────────────────


def test_the_folder_and_its_new_parents_are_private(tmp_path: Path):
    with open_byte_store(tmp_path / "a" / "b") as store:
        for path in (store.folder, store.folder.parent):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_folder_open_to_others_is_closed_to_them(folder: Path):
    folder.chmod(0o777)
    open_byte_store(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with open_byte_store("here") as store:
        monkeypatch.chdir("/")
        store.put("k", b"v", schema=TAG)
        assert store.stats().entries == 1
    assert (tmp_path / "here" / "cache.db").exists()


def test_a_variable_in_the_path_is_not_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "elsewhere"))
    with pytest.raises(CacheError, match="SOMEWHERE"):
        open_byte_store(tmp_path / "$SOMEWHERE")
    assert not (tmp_path / "elsewhere").exists()


def test_a_dollar_without_such_a_variable_is_fine(tmp_path: Path):
    with open_byte_store(tmp_path / "US$5 ~x") as store:
        store.put("k", b"v", schema=TAG)
        assert store.get("k", schema=TAG) == b"v"


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CacheError, match="file"):
            open_byte_store(path)


def test_someone_elses_folder_is_an_error(tmp_path: Path, ordinary_user: Path):
    with pytest.raises(CacheError, match=r"Permission denied|not permitted"):
        open_byte_store(Path("/var"))


def test_a_read_only_folder_is_an_error_that_says_so(ordinary_user: Path):
    ordinary_user.chmod(0o500)
    with pytest.raises(CacheError, match="writable") as caught:
        open_byte_store(ordinary_user)
    assert str(ordinary_user) in str(caught.value)
    assert stat.S_IMODE(ordinary_user.stat().st_mode) == 0o500


def test_a_store_made_read_only_is_an_error_on_opening(ordinary_user: Path):
    open_byte_store(ordinary_user / "s").close()
    (ordinary_user / "s" / "cache.db").chmod(0o400)
    (ordinary_user / "s").chmod(0o500)
    with pytest.raises(CacheError, match="writable"):
        open_byte_store(ordinary_user / "s")


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be one" * 50, b"SQLite format 3\x00junk"]
)
def test_a_file_that_is_no_database_is_an_error(tmp_path: Path, content: bytes):
    (tmp_path / "cache.db").write_bytes(content)
    with pytest.raises(CacheError, match=r"moved aside"):
        open_byte_store(tmp_path)
    assert (tmp_path / "cache.db").read_bytes() == content


def test_an_empty_database_file_is_taken_as_new(tmp_path: Path):
    (tmp_path / "cache.db").write_bytes(b"")
    with open_byte_store(tmp_path) as store:
        assert store.stats().entries == 0


def test_a_closed_store_says_so(folder: Path):
    store = open_byte_store(folder)
    store.close()
    store.close()
    for use in (
        lambda: store.get("k0", schema=TAG),
        lambda: store.put("k0", b"", schema=TAG),
        store.stats,
        store.verify,
        store.clear,
        lambda: store.prune(1),
    ):
        with pytest.raises(CacheError, match="closed"):
            use()


# ── rows and settings edited by someone else ─────────────────────────────────────────────────────


@pytest.fixture
def bomb(tmp_path: Path) -> bytes:
    return pickle.dumps(Payload(tmp_path / "ran"))


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path):
    yield
    assert not (tmp_path / "ran").exists()


def test_the_payload_of_these_tests_works(tmp_path: Path, bomb: bytes):
    pickle.loads(bomb)
    assert (tmp_path / "ran").is_dir()
    (tmp_path / "ran").rmdir()


def test_the_payload_would_run_under_diskcaches_own_disk(folder: Path, tmp_path: Path, bomb: bytes):
    import diskcache

    edit(folder, "UPDATE Cache SET mode = 4, value = ? WHERE key = 'k2'", bomb)
    with diskcache.Cache(str(folder)) as cache:
        cache.get("k2")
    assert (tmp_path / "ran").is_dir()
    (tmp_path / "ran").rmdir()


def check_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """k2 is refused, logged, counted and reported; the others are as they were; a put heals it."""
    with open_byte_store(folder) as store:
        with caplog.at_level(logging.WARNING):
            assert all_values(store) == [*EXPECTED[:2], None, *EXPECTED[3:]]
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "'k2'" in caplog.text
        assert store.refused == 1
        report = store.verify()
        assert (report.checked, [bad.key for bad in report.bad]) == (5, ["k2"])
        store.put("k2", b"value 2", schema=TAG)
        assert all_values(store) == EXPECTED
        assert store.verify().ok


@pytest.mark.parametrize("mode", [0, 2, 3, 4, 5, -1, None, "4", b"4", "1; DROP TABLE Cache"])
def test_a_row_in_another_mode_is_refused(
    folder: Path, bomb: bytes, mode: object, caplog: pytest.LogCaptureFixture
):
    edit(folder, "UPDATE Cache SET mode = ?, value = ? WHERE key = 'k2'", mode, bomb)
    check_refused(folder, caplog)


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_row_that_points_to_a_file_is_refused_and_the_file_left_alone(
    folder: Path, tmp_path: Path, bomb: bytes, mode: int, absolute: bool, caplog: pytest.LogCaptureFixture
):
    victim = tmp_path / "victim"
    victim.write_bytes(bomb)
    name = str(victim) if absolute else "../victim"
    edit(
        folder, "UPDATE Cache SET mode = ?, value = NULL, filename = ?, size = 9 WHERE key = 'k2'", mode, name
    )
    check_refused(folder, caplog)  # which puts over it: diskcache would remove the "old" file
    assert victim.read_bytes() == bomb
    edit(folder, "UPDATE Cache SET filename = ?", name)
    with open_byte_store(folder) as store:
        store.clear()
    assert victim.read_bytes() == bomb


@pytest.mark.parametrize("value", [None, 7, 1.5, "text", b"", b"short", b"FMV1" + b"\x00" * 60])
def test_a_value_of_another_form_is_refused(folder: Path, value: object, caplog: pytest.LogCaptureFixture):
    edit(folder, "UPDATE Cache SET value = ? WHERE key = 'k2'", value)
    check_refused(folder, caplog)


def test_a_pickle_in_the_place_of_a_value_is_refused(
    folder: Path, bomb: bytes, caplog: pytest.LogCaptureFixture
):
    edit(folder, "UPDATE Cache SET value = ? WHERE key = 'k2'", bomb)
    check_refused(folder, caplog)


def test_a_value_copied_from_another_key_is_refused(folder: Path, caplog: pytest.LogCaptureFixture):
    edit(folder, "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key = 'k1') WHERE key = 'k2'")
    check_refused(folder, caplog)


def test_text_that_is_none_in_a_row_is_refused(folder: Path, caplog: pytest.LogCaptureFixture):
    edit(folder, "UPDATE Cache SET value = CAST(x'fffe' AS TEXT) WHERE key = 'k2'")
    check_refused(folder, caplog)


def test_a_pickled_tag_changes_nothing(folder: Path, bomb: bytes):
    edit(folder, "UPDATE Cache SET tag = ?", bomb)
    with open_byte_store(folder) as store:
        assert all_values(store) == EXPECTED
        assert store.verify().ok


@pytest.mark.parametrize("expires", [0.0, 1.0, -1e300, b"\x80\x04N."])
def test_an_expiry_set_from_outside_is_reported_and_deletes_nothing(folder: Path, expires: object):
    edit(folder, "UPDATE Cache SET expire_time = ? WHERE key = 'k2'", expires)
    with open_byte_store(folder) as store:
        for i in range(20):
            store.put(f"new{i}", b"v", schema=TAG)
        assert store.stats().entries == 25
        assert [bad.key for bad in store.verify().bad] == ["k2"]
        assert store.get("k1", schema=TAG) == b"value 1"
        store.put("k2", b"value 2", schema=TAG)
        assert all_values(store) == EXPECTED
        assert store.verify().ok


def test_a_pickled_key_is_reported_and_nothing_stops_at_it(folder: Path, bomb: bytes):
    edit(folder, "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 4, ?)", bomb, bomb)
    edit(folder, "INSERT INTO Cache (key, raw, mode, value) VALUES (CAST(x'fffe' AS TEXT), 1, 1, x'00')")
    with open_byte_store(folder) as store:
        report = store.verify()
        assert (report.checked, len(report.bad)) == (7, 2)
        assert all_values(store) == EXPECTED
        assert store.prune(0) == 5  # those two have no time
        assert store.clear() == 2


@pytest.mark.parametrize("key", ["sqlite_synchronous", "disk_pickle_protocol", "cull_limit", "size", "hits"])
def test_a_pickle_as_a_known_setting_is_replaced(folder: Path, bomb: bytes, key: str):
    edit(folder, "UPDATE Settings SET value = ? WHERE key = ?", bomb, key)
    with open_byte_store(folder) as store:
        assert all_values(store) == EXPECTED
        store.put("more", b"v", schema=TAG)
        assert store.get("more", schema=TAG) == b"v"


@pytest.mark.parametrize(
    "key",
    [
        "_disk",
        "_directory",
        "disk_evil",
        "sqlite_writable_schema",
        "get",
        "timeout",
        "_sql",
        "x; DROP",
        b"\x80\x04N.",
    ],
)
def test_unknown_settings_are_dropped_before_diskcache_sees_them(
    folder: Path, tmp_path: Path, key: object, caplog: pytest.LogCaptureFixture
):
    # diskcache would set them as attributes of its cache, or run them as pragmas.
    edit(folder, "INSERT INTO Settings VALUES (?, ?)", key, str(tmp_path / "elsewhere"))
    with caplog.at_level(logging.WARNING), open_byte_store(folder) as store:
        assert all_values(store) == EXPECTED
        assert store.folder == folder
    assert "unknown settings" in caplog.text
    assert (
        len(ask(folder, "SELECT 1 FROM Settings WHERE typeof(key) != 'text' OR key NOT GLOB '[a-z]*'")) == 0
    )
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER extra AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END",
        "CREATE VIEW extra AS SELECT 1",
        "CREATE TABLE extra (x)",
    ],
)
def test_a_trigger_view_or_table_from_outside_is_refused(folder: Path, statement: str):
    edit(folder, statement)
    with pytest.raises(CacheError, match="extra"):
        open_byte_store(folder)


def test_the_disk_class_refuses_every_way_round(tmp_path: Path):
    disk = BytesDisk(str(tmp_path))
    for wrong in (1, 1.5, None, b"k", ("k",), Payload(tmp_path / "ran")):
        with pytest.raises(TypeError):
            disk.put(wrong)
        if type(wrong) is not bytes:
            with pytest.raises(TypeError):
                disk.store(wrong, False)
    with pytest.raises(TypeError):
        disk.store((tmp_path / "x"), True)
    with pytest.raises(RefusedRowError):
        disk.fetch(1, None, b"", True)
    with pytest.raises(RefusedRowError):
        disk.filename()
    for key, raw in ((b"k", 1), ("k", 0), (b"k", 0), (1, 1)):
        with pytest.raises(RefusedRowError):
            disk.get(key, raw)


# ── damage, full disks, kills, company ───────────────────────────────────────────────────────────


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


# ── looking after it ─────────────────────────────────────────────────────────────────────────────


def test_stats_count_entries_bytes_and_times(folder: Path):
    with open_byte_store(folder) as store:
        before = store.stats()
        assert before.entries == 5
        assert before.oldest and before.newest and before.oldest <= before.newest
        assert before.oldest.endswith("+00:00")
        store.put("large", b"x" * 500_000, schema=TAG)
        after = store.stats()
        assert after.bytes - before.bytes >= 500_000


def test_stats_of_an_empty_store(tmp_path: Path):
    with open_byte_store(tmp_path) as store:
        stats = store.stats()
        assert (stats.entries, stats.oldest, stats.newest) == (0, None, None)
        assert store.verify().checked == 0


@pytest.mark.parametrize("moment", [1e300, "text", b"\x80", -1e300])
def test_stats_survive_times_that_are_none(folder: Path, moment: object):
    edit(folder, "UPDATE Cache SET store_time = ?", moment)
    with open_byte_store(folder) as store:
        assert store.stats().oldest is None


def test_prune_removes_by_age_of_the_last_put(folder: Path):
    day = 86_400
    for i in range(5):
        edit(folder, "UPDATE Cache SET store_time = ? WHERE key = ?", time.time() - i * day - 60, f"k{i}")
    with open_byte_store(folder) as store:
        store.put("k4", b"value 4", schema=TAG)  # is young again
        assert store.prune(2) == 2
        assert all_values(store) == [EXPECTED[0], EXPECTED[1], None, None, EXPECTED[4]]
        assert store.prune(2) == 0


def test_prune_refuses_a_negative_age(folder: Path):
    with open_byte_store(folder) as store:
        with pytest.raises(ValueError, match="negative"):
            store.prune(-1)
        assert all_values(store) == EXPECTED


def test_clear_empties_the_store_for_other_openings_too(folder: Path):
    with open_byte_store(folder) as one, open_byte_store(folder) as other:
        assert one.clear() == 5
        assert all_values(other) == [None] * 5
        other.put("k0", b"again", schema=TAG)
        assert one.get("k0", schema=TAG) == b"again"
        assert one.stats().entries == 1


def test_clear_gives_the_space_back(folder: Path):
    with open_byte_store(folder) as store:
        store.put("large", b"x" * 5_000_000, schema=TAG)
        store.clear()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
