"""What only the byte store on disk promises: what lasts, private folders, and looking after it."""

import stat
import time
from pathlib import Path

import pytest

from fieldmark.cache.bytestore import open_byte_store
from fieldmark.errors import CacheError
from tests.unit.cache.byte_store.rows import EXPECTED, TAG, Start, all_values, ask, edit


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
