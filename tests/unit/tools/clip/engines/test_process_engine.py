"""The process engine says what a process failed of, and holds few shards at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from fieldmark.errors import ModelError
from fieldmark.tools.clip.engines import processes
from fieldmark.tools.clip.engines.processes import ProcessEngine
from fieldmark.tools.clip.engines.work import EncodedShard, WorkerModel
from fieldmark.tools.images.pool_shard import PoolShard

MODEL = WorkerModel(spec="aviary", identity="another", device="cpu", precision="fp32", threads=1)
SHARDS = [PoolShard(places=(str(at),)) for at in range(40)]


def test_what_a_process_cannot_open_is_told_as_it_is() -> None:
    with pytest.raises(ModelError, match="other weights") as told:
        list(ProcessEngine(("cpu",)).encode(SHARDS, MODEL))
    assert "same weights" in told.value.hint


def test_shards_are_handed_out_as_they_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Threads(ThreadPoolExecutor):
        def __init__(self, workers: int, **_: Any) -> None:
            super().__init__(workers)

        def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Any:
            if args[1] is not None:
                handed.append(args[0])
            return super().submit(fn, *args, **more)

    def encode(number: int, shard: str | None) -> EncodedShard | None:
        return EncodedShard(number, (), (), np.zeros((0, 2), np.float16), ()) if shard else None

    handed = list[int]()
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Threads)
    monkeypatch.setattr(processes, "_encode", encode)
    numbers = list[int]()
    for each in ProcessEngine(("cpu", "cpu")).encode(SHARDS, MODEL):
        numbers.append(each.number)
        assert len(handed) - len(numbers) < 8
    assert sorted(numbers) == handed == list(range(40))
