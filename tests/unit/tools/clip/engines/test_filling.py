"""A store is filled shard by shard: whole shards or nothing, by one process at a time, killed or not."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.vectorstore import MemoryVectorStore, open_vector_store
from fieldmark.records import SkippedInput
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.clip.engines.filling import BATCH, SHARD, fill
from fieldmark.tools.clip.engines.work import EncodedShard
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard

WIDTH = 8
IMAGES = tuple(ImageFile(Path(f"/pool/{at}.png"), f"{at:064x}") for at in range(3 * SHARD + 10))


def vector(content_hash: str) -> np.ndarray:
    return np.random.default_rng(int(content_hash, 16)).normal(size=WIDTH).astype(np.float16)


def encode(shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
    for number, each in enumerate(shards):
        keys = tuple(image_key(content) for content in each.hashes)
        rows = np.stack([vector(content) for content in each.hashes])
        yield EncodedShard(number, each.places, keys, rows, ())


def rows_of(images: Sequence[ImageFile]) -> np.ndarray:
    return np.stack([vector(each.content_hash) for each in images])


def test_shards_hold_the_batches_that_one_process_would_make() -> None:
    assert SHARD % BATCH == 0
    given: list[PoolShard] = []

    def noting(shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
        given.extend(shards)
        return encode(shards)

    store, told = MemoryVectorStore(width=WIDTH), list[tuple[int, int]]()
    assert fill(store, IMAGES, lambda done, of: told.append((done, of)), encode=noting) == len(IMAGES)
    assert [len(each.hashes) for each in given] == [SHARD, SHARD, SHARD, 10]
    assert [place for each in given for place in each.places] == [str(each.path) for each in IMAGES]
    assert told[-1] == (len(IMAGES), len(IMAGES))
    rows, found = store.get_many([image_key(each.content_hash) for each in IMAGES])
    assert found.all()
    assert np.array_equal(rows, rows_of(IMAGES))
    assert fill(store, IMAGES, encode=lambda shards: 1 / 0) == 0  # everything is there


def test_a_few_images_start_no_engine_and_copies_count_once() -> None:
    few = IMAGES[: BATCH - 1] * 3
    assert fill(MemoryVectorStore(width=WIDTH), few, encode=lambda shards: 1 / 0) == 0


def test_what_no_worker_could_encode_is_left_and_said(caplog: pytest.LogCaptureFixture) -> None:
    def failing(shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
        for each in encode(shards):
            lost = (SkippedInput(path=each.names[0], reason="cannot be read (no such mount)"),)
            yield EncodedShard(each.number, each.names[1:], each.keys[1:], each.rows[1:], lost)

    store = MemoryVectorStore(width=WIDTH)
    assert fill(store, IMAGES[:SHARD], encode=failing) == SHARD - 1
    assert "/pool/0.png: cannot be read (no such mount)" in caplog.text


def _fill(folder: Path, log: Path, wait_s: float) -> None:
    def slowly(shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
        for each in encode(shards):
            time.sleep(wait_s)
            with log.open("a") as file:
                file.write("".join(f"{key}\n" for key in each.keys))
            yield each

    with open_vector_store(folder, width=WIDTH) as store:
        fill(store, IMAGES, encode=slowly)


def test_a_killed_process_loses_the_shard_in_flight_and_two_at_once_share_the_work(tmp_path: Path) -> None:
    folder, log = tmp_path / "store", tmp_path / "log"
    context = multiprocessing.get_context("fork")
    killed = context.Process(target=_fill, args=(folder, log, 0.2))
    killed.start()
    while not log.exists() or len(log.read_text().splitlines()) < 2 * SHARD:
        time.sleep(0.005)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    with open_vector_store(folder, width=WIDTH) as store:
        _, held = store.get_many([image_key(each.content_hash) for each in IMAGES])
        # Readable while it grew; a shard is there or not.
        there = [int(held[start : start + SHARD].sum()) for start in range(0, 3 * SHARD, SHARD)]
        assert there[0] == SHARD
        assert set(there) <= {0, SHARD}
    log.unlink()
    both = [context.Process(target=_fill, args=(folder, log, 0.05)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
        assert each.exitcode == 0
    again = log.read_text().splitlines()
    assert len(again) == len(set(again)) == len(IMAGES) - int(held.sum())
    with open_vector_store(folder, width=WIDTH) as store:
        rows, held = store.get_many([image_key(each.content_hash) for each in IMAGES])
        assert held.all()
        assert np.array_equal(rows, rows_of(IMAGES))
        assert not store.verify().bad
