"""Rows and settings that somebody else edited are refused, and nothing in them runs."""

import logging
import pickle
from pathlib import Path

import pytest

from fieldmark.cache.bytestore import open_byte_store
from fieldmark.cache.disk import BytesDisk, RefusedRowError
from fieldmark.errors import CacheError
from tests.unit.cache.byte_store.rows import EXPECTED, TAG, Payload, all_values, ask, edit


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
