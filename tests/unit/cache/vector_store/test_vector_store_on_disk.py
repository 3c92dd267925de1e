"""What only the vector store on disk promises: what lasts, private folders, and looking after it."""

import stat
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache import rowfile, vectorstore
from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.errors import CacheError
from tests.unit.cache.vector_store.rows import (
    KEYS,
    MORE,
    ROW,
    ROWS,
    WIDTH,
    check,
    data,
)


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
