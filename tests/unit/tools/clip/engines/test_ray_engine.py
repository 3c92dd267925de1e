"""Ray's actors give the vectors of this process, to the bit, though one is killed."""

import importlib.util
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.clip.engines import ray_data
from fieldmark.tools.clip.engines.filling import fill
from fieldmark.tools.clip.engines.pieces import Piece, as_batch, from_row
from fieldmark.tools.clip.engines.ray_data import RayEngine
from fieldmark.tools.clip.engines.work import EncodedShard, WorkerModel, worker_model
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason='Ray is not installed: pip install "fieldmark[ray]"'
)


def encoder() -> ClipEncoder:
    return open_encoder("aviary", vectors=lambda _, width: MemoryVectorStore(width=width), device="cpu")


def below(parent: int) -> Iterator[tuple[int, str]]:
    """The processes that a process has started, with what they are called."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            above = (each / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        children.setdefault(int(above), []).append(int(each.name))
    left = [parent]
    while left:
        for child in children.get(left.pop(), []):
            left.append(child)
            try:
                yield child, (Path("/proc") / str(child) / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue


def actors(made_of: str = "") -> list[int]:
    return [
        pid
        for pid, called in below(os.getpid())
        if called.startswith("ray::MapWorker") and f"({made_of}" in called
    ]


def grey() -> RayEngine:
    """Has actors without a network: content is a picture of one grey, and its vector says which."""

    class Decode:  # in a function, so that Ray carries it to where the tests are not
        def __init__(self, model: str) -> None:
            pass

        def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
            hashes = json.loads(str(batch["shard"][0]))["hashes"]
            for at in range(4):
                keys = tuple(hashes[at::4])
                files = tuple((key, key) for key in hashes) if at == 3 else ()
                greys = np.array([int(key) for key in keys], np.uint8)
                values = np.broadcast_to(greys[:, None], (len(keys), 1 << 20))
                yield as_batch(Piece(int(batch["number"][0]), at, at == 3, keys, values, files))

    class Encode:
        def __init__(self, model: str) -> None:
            pass

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            piece = from_row({name: column[0] for name, column in batch.items()})
            rows = np.stack([piece.values.min(axis=1), piece.values.max(axis=1)], axis=1)
            return as_batch(replace(piece, values=rows.astype(np.float16)))

    engine = RayEngine()
    engine.decoder, engine.encoder = Decode, Encode
    return engine


def listening(pids: set[int]) -> set[str]:
    """Addresses on which processes listen for TCP, as the kernel writes them."""
    sockets: set[str] = set()
    for pid in pids:
        for each in (Path("/proc") / str(pid) / "fd").glob("*"):
            try:
                sockets.add(str(each.readlink()))
            except OSError:
                continue
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def check_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who decodes is killed, and then who encodes: each shard is given once, and is its own."""
    monkeypatch.setattr(ray_data, "share_apart", lambda nodes, beside: (1, 1))
    shards = [
        PoolShard(places=("",) * 8, hashes=tuple(str(at * 8 + each) for each in range(8))) for at in range(12)
    ]
    model = WorkerModel(spec="", identity="", device="cpu", precision="fp32", threads=1)
    given = list[int]()
    for each in grey().encode(shards, model):
        given.append(each.number)
        assert each.names == each.keys == shards[each.number].hashes
        assert each.rows.tolist() == [[int(key), int(key)] for key in each.keys]
        if len(given) in (2, 5):
            (alive,) = actors("MapBatches(Decode)" if len(given) == 2 else "MapBatches(Encode)")
            os.kill(alive, signal.SIGKILL)
    assert sorted(given) == list(range(12))


def test_a_killed_actor_changes_no_bit_and_ray_is_gone_in_the_end(
    found: tuple[ImageFile, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')
    here, there = encoder(), encoder()
    killed, given, heard = list[int](), list[int](), set[str]()
    with ExitStack() as closing:
        engine = closing.enter_context(RayEngine(device="cpu", actors=2, cores=2))
        ray = partial(engine.encode, model=worker_model(there, threads=1))

        def killing(shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
            cut = [
                PoolShard(places=each.places[start : start + 64], hashes=each.hashes[start : start + 64])
                for each in shards
                for start in range(0, len(each.places), 64)
            ]
            for each in ray(cut):
                given.append(each.number)
                if not killed:
                    heard.update(listening({pid for pid, _ in below(os.getpid())}))
                    killed.extend(actors()[:1])
                    for pid in killed:
                        os.kill(pid, signal.SIGKILL)
                yield each

        there.elsewhere = partial(fill, encode=killing)
        elsewhere = there.encode_images(found)
        check_apart(monkeypatch)  # in the same Ray, as each start takes its time
    assert len(killed) == 1
    assert sorted(given) == list(range(10))
    assert capfd.readouterr().out == ""  # where results go
    assert heard
    assert heard <= {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, in both families
    assert [called for _, called in below(os.getpid()) if "ray" in called] == []
    local = here.encode_images(found)
    assert np.array_equal(local.vectors.numpy(), elsewhere.vectors.numpy())
    assert np.array_equal(local.ok.numpy(), elsewhere.ok.numpy())
    assert int(local.ok.sum()) == len(found) - 1
    assert here.failures == there.failures
    assert there.usage.images_encoded == here.usage.images_encoded
