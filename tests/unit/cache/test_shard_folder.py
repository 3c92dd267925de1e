"""Shards count when their manifest is there, and are read as they were written or not at all."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.keys import digest
from fieldmark.cache.shard_folder import ShardFolder, read_shards, shard_name
from fieldmark.errors import CacheError, InputError

ROWS = np.arange(12, dtype=np.float16).reshape(3, 4)
NAME = shard_name(7, digest(b"7"))


@pytest.fixture(params=["folder", "address"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "out") if request.param == "folder" else f"memory://{tmp_path.name}/out"


def committed(place: str) -> ShardFolder:
    folder = ShardFolder(place, identity="e" * 64, width=4)
    folder.list_shards([NAME])
    folder.commit(NAME, names=("a", "b", "c"), keys=("1", "2", "1"), rows=ROWS, skipped=[("d", "broken")])
    return folder


def test_a_shard_comes_back(place: str) -> None:
    folder = committed(place)
    assert folder.committed() == {NAME}
    (shard,) = read_shards(place)
    assert np.array_equal(shard.rows, folder.read(NAME).rows)
    assert (shard.name, shard.names, shard.keys) == (NAME, ("a", "b", "c"), ("1", "2", "1"))
    assert shard.skipped == (("d", "broken"),)
    assert shard.rows.dtype == np.float16
    assert np.array_equal(shard.rows, ROWS)


def test_a_shard_without_an_image_counts(place: str) -> None:
    folder = ShardFolder(place, identity="e", width=4)
    folder.list_shards([NAME])
    folder.commit(NAME, names=(), keys=(), rows=ROWS[:0], skipped=[("d", "broken")])
    (shard,) = read_shards(place)
    assert shard.rows.shape == (0, 4)


def test_rows_without_a_manifest_and_other_files_do_not_count(tmp_path: Path) -> None:
    folder = ShardFolder(str(tmp_path), identity="e", width=4)
    (tmp_path / f"{NAME}.f16").write_bytes(ROWS.tobytes())
    (tmp_path / f".{NAME}.json.abc.tmp").write_bytes(b"{")
    (tmp_path / "notes.json").write_bytes(b"{}")
    assert list(read_shards(str(tmp_path))) == []  # it has only begun
    folder.list_shards([NAME])
    assert folder.committed() == set()
    assert list(read_shards(str(tmp_path))) == []


@pytest.mark.parametrize("harm", ["flip", "short", "gone", "swapped", "nonsense"])
def test_a_damaged_shard_is_told(tmp_path: Path, harm: str) -> None:
    committed(str(tmp_path))
    rows, manifest = tmp_path / f"{NAME}.f16", tmp_path / f"{NAME}.json"
    data = rows.read_bytes()
    if harm == "flip":
        rows.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "short":
        rows.write_bytes(data[:-2])
    elif harm == "gone":
        rows.unlink()
    elif harm == "swapped":  # rows that belong to other keys
        manifest.write_text(manifest.read_text().replace('["1","2","1"]', '["2","1","1"]'))
    else:
        manifest.write_text("[1]")
    with pytest.raises(CacheError, match="damaged"):
        list(read_shards(str(tmp_path)))


def test_another_encoder_is_refused(place: str) -> None:
    committed(place)
    with pytest.raises(CacheError, match="another encoder"):
        ShardFolder(place, identity="f" * 64, width=4)
    with pytest.raises(CacheError, match="holds no shards"):
        list(read_shards(place + "x"))


def test_only_shards_of_the_pool_as_it_is_now_are_read(place: str) -> None:
    folder = committed(place)
    other = shard_name(7, digest(b"changed"))
    folder.list_shards([shard_name(0, digest(b"0")), other])
    assert list(read_shards(place)) == []
    folder.commit(other, names=("a",), keys=("1",), rows=ROWS[:1])
    assert [each.name for each in read_shards(place)] == [other]
    folder.list_shards([NAME])
    assert [each.name for each in read_shards(place)] == [NAME]  # found again
    assert folder.counts(NAME) == (3, (("d", "broken"),))


@pytest.mark.parametrize("harm", ["missing", "nonsense"])
def test_shards_without_a_list_are_told(tmp_path: Path, harm: str) -> None:
    committed(str(tmp_path))
    if harm == "missing":
        (tmp_path / "index.json").unlink()
    else:
        (tmp_path / "index.json").write_text("[1]")
    with pytest.raises(CacheError, match="missing or damaged"):
        list(read_shards(tmp_path))


def test_the_folder_stays_the_users_own_and_reading_makes_none(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="holds no shards"):
        list(read_shards(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="not a path but 3"):
        list(read_shards(3))  # pyright: ignore[reportArgumentType]
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o755)
    before = os.umask(0o022)
    try:
        committed(str(out))
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    assert {stat.S_IMODE(each.stat().st_mode) for each in out.iterdir()} == {0o644}
