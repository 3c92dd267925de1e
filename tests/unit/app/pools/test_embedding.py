"""A pool is encoded once: what is there is kept, what is missing is made, with the vectors of commands."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldmark.app.pools.embedding import embed_pool
from fieldmark.app.stores import open_stores
from fieldmark.cache.shard_folder import StoredShard, read_shards
from fieldmark.errors import InputError
from fieldmark.tools.clip.engines.work import LocalEngine
from fieldmark.tools.images.files import find_images
from tests.command_line import CommandLine


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Ten files, one broken; two pictures in an archive, one of them a copy."""
    folder, chance = tmp_path / "pool", np.random.default_rng(0)
    folder.mkdir()
    for at in range(10):
        Image.fromarray(chance.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(folder / f"{at}.png")
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:-40])
    with tarfile.open(folder / "more.tar", "w") as archive:
        for name in ("3.png", "7.png"):
            data = (folder / name).read_bytes() + (b"another" if name == "7.png" else b"")
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def test_what_is_there_is_kept_and_the_rest_is_made(
    command_line: CommandLine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    real = LocalEngine.encode

    def counting(engine: LocalEngine, shards: Any, model: Any) -> Any:
        given.append(len(shards))
        return real(engine, shards, model)

    monkeypatch.setattr(LocalEngine, "encode", counting)
    out = command_line.folder / "vectors"
    words = ("embed", str(pool), "--out", str(out), "--clip", "aviary", "--shard", "4", "--json", "--keep")
    told = command_line.invoke(*words)
    assert told.code == 0
    assert told.json["shards"] == 4
    assert (told.json["images"], told.json["lost"], told.json["found"]) == (11, 1, 0)
    ((path, reason),) = told.json["skipped"]
    assert (Path(path).name, "truncated" in reason) == ("4.png", True)
    shards = {shard.name: shard for shard in read_shards(str(out))}
    assert [len(shard.keys) for shard in shards.values()] == [2, 4, 3, 2]
    gone = sorted(shards)[1]
    (out / f"{gone}.json").unlink()  # as if the process had been killed between rows and manifest
    again = command_line.invoke(*words)
    assert (again.json["images"], again.json["found"]) == (4, 3)
    assert given == [4, 1]
    assert command_line.invoke(*words).json["found"] == 4
    assert given == [4, 1]
    with open_stores(command_line.home) as stores:
        encoder = stores.encoder("aviary")
        found = find_images([pool])
        local = encoder.encode_images(found.images)
        assert encoder.usage.images_encoded == 0  # kept where commands look for them
        rows = dict(named(read_shards(str(out))))
        for image, vector, ok in zip(found.images, local.vectors.numpy(), local.ok, strict=True):
            if ok:
                made = rows[str(image.path)].astype(np.float64)
                assert np.array_equal((made / np.sqrt((made * made).sum())).astype(np.float32), vector)
    assert len(rows) == 11


def named(shards: Any) -> Any:
    each: StoredShard
    for each in shards:
        yield from zip(each.names, each.rows, strict=True)


def test_wrong_input_is_told(command_line: CommandLine, pool: Path) -> None:
    told = command_line.invoke("embed", str(pool / "none"), "--out", "x", "--clip", "aviary")
    assert (told.code, "does not exist" in told.err) == (2, True)
    told = command_line.invoke("embed", str(command_line.folder), "--out", "x", "--clip", "aviary")
    assert (told.code, "no images" in told.err) == (2, True)
    told = command_line.invoke("embed", str(pool / "4.png"), "--out", "x", "--clip", "aviary")
    assert (told.code, "1 image skipped" in told.out) == (1, True)


def test_a_torn_archive_is_said_each_time_and_blocks_nothing(command_line: CommandLine, pool: Path) -> None:
    (pool / "notes.md").write_text("no picture")
    with (pool / "more.tar").open("r+b") as file:
        file.truncate(700)
    words = ("embed", str(pool), "--out", "vectors", "--clip", "aviary")
    for first in (True, False):
        told = command_line.invoke(*words, "--json")
        assert told.code == 0
        assert (told.json["images"], told.json["held"], told.json["lost"]) == (9 if first else 0, 9, 2)
        assert sorted(Path(path).name for path, _ in told.json["skipped"]) == ["4.png", "more.tar"]
        assert told.json["passed_over"] == {".md": 1}
    assert "1 .md" in command_line.invoke(*words).out
    only = ("embed", str(pool / "4.png"), "--out", "broken", "--clip", "aviary")
    assert [command_line.invoke(*only).code for _ in range(2)] == [1, 1]


def test_read_shards_gives_the_pool_as_it_is_now(pool: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    for size in (3, 10):
        embed_pool(places=[pool], out=out, clip="aviary", home=home, shard_images=size)
        assert sum(len(each.names) for each in read_shards(out)) == 11
    (pool / "9.png").unlink()
    made = embed_pool(pool, out, clip="aviary", home=home)
    assert sum(len(each.names) for each in read_shards(out)) == made.held == 10


@pytest.mark.parametrize(
    ("more", "field", "says"),
    [
        ({"places": 3}, "places", "not a path but 3"),
        ({"shard_images": 0}, "shard_images", "Give 1 or more"),
        ({"shards": 5}, "shards", "Did you mean"),
    ],
)
def test_wrong_arguments_are_named(pool: Path, tmp_path: Path, more: Any, field: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as told:
        embed_pool(**{"places": pool, "out": tmp_path / "out", **more})
    assert told.value.field == field
    assert not (tmp_path / "out").exists()
