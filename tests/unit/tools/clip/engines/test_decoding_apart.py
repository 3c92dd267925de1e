"""What one machine decodes and another encodes is what a machine does alone, to the bit."""

import io
import tarfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.errors import ModelError
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.engines import decoder
from fieldmark.tools.clip.engines.decoder import PIECE, ShardDecoder
from fieldmark.tools.clip.engines.pieces import from_row
from fieldmark.tools.clip.engines.ray_actors import RayDecoder, RayEncoder
from fieldmark.tools.clip.engines.ray_data import joined, share_apart
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel, worker_model
from fieldmark.tools.clip.preprocessing import Preprocessing
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard


@pytest.fixture
def model() -> WorkerModel:
    opened = open_encoder("aviary", vectors=lambda _, width: MemoryVectorStore(width=width), device="cpu")
    return worker_model(opened, threads=2)


def first(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: column[0] for name, column in batch.items()}


def apart(model: WorkerModel, shard: PoolShard) -> list[dict[str, Any]]:
    """The rows that actors that decode give to those that encode."""
    decode = RayDecoder(model.model_dump_json())
    made = decode({"number": [7], "shard": [shard.model_dump_json()]})
    assert isinstance(made, Generator)  # Ray takes no other iterator
    return [first(batch) for batch in made]


def encoded(model: WorkerModel, rows: Sequence[dict[str, Any]]) -> EncodedShard:
    encode = RayEncoder(model.model_dump_json())
    return joined([from_row(first(encode({name: [row[name]] for name in row}))) for row in rows])


def as_files(found: tuple[ImageFile, ...]) -> PoolShard:
    """All files, of which one is broken; the first comes again at the end."""
    files = (*found, found[0])
    return PoolShard(
        places=tuple(str(each.path) for each in files), hashes=tuple(each.content_hash for each in files)
    )


def test_pieces_are_the_shard_that_is_encoded_where_it_is_decoded(
    model: WorkerModel, found: tuple[ImageFile, ...]
) -> None:
    shard = as_files(found)
    rows = apart(model, shard)
    assert len(rows) == -(-len(found) // PIECE) == 3
    assert all(from_row(each).values.dtype == np.uint8 for each in rows)
    made, alone = encoded(model, rows), ShardEncoder(model).begin(7, shard)()
    assert (made.number, made.names, made.keys, made.skipped) == (7, alone.names, alone.keys, alone.skipped)
    assert np.array_equal(made.rows, alone.rows)
    assert len(made.skipped) == 1
    assert "0300.png" in made.skipped[0].path


def test_an_archive_that_takes_several_readings_is_one_shard(
    model: WorkerModel, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldmark.tools.clip.engines import work

    monkeypatch.setattr(work, "IN_MEMORY", 16)
    monkeypatch.setattr(decoder, "IN_MEMORY", 16)
    place = tmp_path / "some.tar"
    with tarfile.open(place, "w") as archive:
        for at in range(290, 330):
            archive.add(drawn / f"{at:04}.png", f"{at}.png")
        archive.addfile(tarfile.TarInfo("empty.png"), io.BytesIO())
    shard = PoolShard(kind="tar", places=(str(place),))
    rows = apart(model, shard)
    assert [from_row(each).last for each in rows] == [False, False, True]
    made, alone = encoded(model, rows), ShardEncoder(model).begin(7, shard)()
    assert (made.names, made.keys, made.skipped) == (alone.names, alone.keys, alone.skipped)
    assert np.array_equal(made.rows, alone.rows)
    assert len(made.skipped) == 2


def test_a_shard_without_a_picture_is_whole_all_the_same(model: WorkerModel, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "none.tar", "w"):
        pass
    made = encoded(model, apart(model, PoolShard(kind="tar", places=(str(tmp_path / "none.tar"),))))
    assert (made.names, made.skipped, made.rows.dtype) == ((), (), np.float16)


def test_the_number_of_pieces_is_known_before_anything_is_decoded(
    model: WorkerModel, found: tuple[ImageFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(preprocessing: Preprocessing, picture: object) -> None:
        raise UnusableImageError("somewhere", "gone")

    monkeypatch.setattr(Preprocessing, "__call__", none)
    pieces = list(ShardDecoder(model).pieces(0, as_files(found)))
    assert [len(each.keys) for each in pieces] == [0, 0, 0]
    assert len(pieces[-1].skipped) == len(found) + 1


def test_pictures_that_were_decoded_for_another_model_are_refused(
    model: WorkerModel, found: tuple[ImageFile, ...], tiny_folder: Path
) -> None:
    rows = apart(model.model_copy(update={"spec": str(tiny_folder)}), as_files(found[:3]))
    with pytest.raises(ModelError, match="another preprocessing"):
        encoded(model, rows)


@pytest.mark.parametrize(
    ("nodes", "beside", "expected"),
    [
        ([{"CPU": 2.0, "GPU": 1.0}], 2, (0, 0)),
        ([{"CPU": 16.0, "GPU": 1.0}], 16, (0, 0)),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}], 8, (17, 4)),
        ([{"CPU": 64.0, "GPU": 1.0}], 16, (15, 4)),  # more cores than its actor takes
        ([{"CPU": 1.0, "GPU": 1.0}, {"CPU": 2.0}, {"memory": 1.0}], 1, (1, 2)),
        ([{"CPU": 4.0, "GPU": 8.0}, {"CPU": 3.0}], 8, (0, 0)),
    ],
)
def test_cores_that_no_gpu_has_beside_it_decode(
    nodes: list[dict[str, float]], beside: int, expected: tuple[int, int]
) -> None:
    assert share_apart(nodes, beside) == expected
