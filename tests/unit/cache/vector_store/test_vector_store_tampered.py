"""Files torn, swapped and edited: a row is what was put, or a miss."""

import os
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.errors import CacheError
from tests.unit.cache.vector_store.rows import (
    KEYS,
    MORE,
    ROW,
    WIDTH,
    check,
    check_lost_and_healed,
    data,
    edit,
)


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
