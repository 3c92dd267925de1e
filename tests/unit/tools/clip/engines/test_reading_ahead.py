"""A worker decodes the next shard while it encodes one, whichever engine it works for."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.engines import processes
from fieldmark.tools.clip.engines.pieces import from_row
from fieldmark.tools.clip.engines.ray_actors import RayWorker
from fieldmark.tools.clip.engines.ray_data import joined
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel, worker_model
from fieldmark.tools.clip.network import ClipNetwork
from fieldmark.tools.clip.preprocessing import Preprocessing
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard

SHARD = 20
LONG = 60  # seconds until a test that would wait for ever fails

Encode = Callable[[WorkerModel, Sequence[PoolShard]], list[EncodedShard]]


def here(model: WorkerModel, shards: Sequence[PoolShard]) -> list[EncodedShard]:
    return list(ShardEncoder(model).encode_all(shards))


def in_a_process(model: WorkerModel, shards: Sequence[PoolShard]) -> list[EncodedShard]:
    """What one process of `ProcessEngine` is given to do."""
    processes._open(model.model_dump_json())
    try:
        done = [processes._encode(at, each.model_dump_json()) for at, each in enumerate(shards)]
        return [each for each in (*done, processes._encode(0, None)) if each is not None]
    finally:
        processes._worker.clear()


def in_an_actor(model: WorkerModel, shards: Sequence[PoolShard]) -> list[EncodedShard]:
    """What Ray does with an actor: two threads call it."""
    worker = RayWorker(model.model_dump_json())

    def call(at: int) -> EncodedShard:
        made = worker({"number": [at], "shard": [shards[at].model_dump_json()]})
        return joined([from_row(first(made))])

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(call, range(len(shards))))


def first(batch: dict[str, Any]) -> dict[str, Any]:
    """The one row of a batch."""
    return {name: column[0] for name, column in batch.items()}


@pytest.fixture
def shards(found: tuple[ImageFile, ...]) -> list[PoolShard]:
    """Three, of which the second has a broken picture."""
    some = found[300 - SHARD : 300 + 2 * SHARD]
    return [
        PoolShard(
            places=tuple(str(each.path) for each in some[start : start + SHARD]),
            hashes=tuple(each.content_hash for each in some[start : start + SHARD]),
        )
        for start in range(0, len(some), SHARD)
    ]


@pytest.fixture
def model() -> WorkerModel:
    opened = open_encoder("aviary", vectors=lambda _, width: MemoryVectorStore(width=width), device="cpu")
    return worker_model(opened, threads=2)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Has the network wait with the first shard until a picture of another is decoded; notes the order."""
    happened, later, taken = list[str](), threading.Event(), threading.Lock()
    decoded = 0
    prepare, run = Preprocessing.__call__, ClipNetwork.images

    def preparing(preprocessing: Preprocessing, picture: Image.Image) -> torch.Tensor:
        nonlocal decoded
        made = prepare(preprocessing, picture)
        with taken:
            decoded += 1
            if decoded > SHARD:
                happened.append("decoded")
                later.set()
        return made

    def running(network: ClipNetwork, batch: Any) -> torch.Tensor:
        assert later.wait(LONG), "the next shard was not begun"
        made = run(network, batch)
        happened.append("encoded")
        return made

    monkeypatch.setattr(Preprocessing, "__call__", preparing)
    monkeypatch.setattr(ClipNetwork, "images", running)
    yield happened


@pytest.mark.parametrize("encode", [here, in_a_process, in_an_actor])
def test_the_next_shard_is_decoded_while_one_is_encoded(
    encode: Encode, model: WorkerModel, shards: list[PoolShard], held: list[str]
) -> None:
    made = encode(model, shards)
    assert held[0] == "decoded"
    assert sorted(each.number for each in made) == [0, 1, 2]


@pytest.mark.parametrize("encode", [here, in_a_process, in_an_actor])
def test_shards_that_overlap_are_those_that_are_encoded_alone(
    encode: Encode, model: WorkerModel, shards: list[PoolShard]
) -> None:
    alone = ShardEncoder(model)
    for one, expected in zip(
        sorted(encode(model, shards), key=lambda each: each.number),
        (alone.begin(at, each)() for at, each in enumerate(shards)),
        strict=True,
    ):
        assert (one.number, one.names, one.keys, one.skipped) == (
            expected.number, expected.names, expected.keys, expected.skipped,
        )  # fmt: skip
        assert np.array_equal(one.rows, expected.rows)
        assert len(one.names) + len(one.skipped) == SHARD
    assert [len(each.skipped) for each in alone.encode_all(shards)] == [0, 1, 0]


def test_no_more_than_one_shard_is_begun_ahead(
    model: WorkerModel, shards: list[PoolShard], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given = list[int](), 0
    begin = ShardEncoder.begin

    def beginning(encoder: ShardEncoder, number: int, shard: PoolShard) -> Callable[[], EncodedShard]:
        begun.append(number)
        assert len(begun) <= given + 2
        return begin(encoder, number, shard)

    monkeypatch.setattr(ShardEncoder, "begin", beginning)
    for _ in ShardEncoder(model).encode_all(shards):
        given += 1
    assert begun == [0, 1, 2]


def test_a_shard_that_cannot_be_read_keeps_none_back_that_came_before(
    model: WorkerModel, shards: list[PoolShard], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reading(shard: PoolShard) -> Iterator[ImageFile]:
        if shard == shards[1]:
            raise OSError("gone")
        yield from real(shard)

    from fieldmark.tools.clip.engines import work

    real: Any = work.read_shard
    monkeypatch.setattr(work, "read_shard", reading)
    given = ShardEncoder(model).encode_all(shards)
    assert next(given).number == 0
    with pytest.raises(OSError, match="gone"):
        next(given)
