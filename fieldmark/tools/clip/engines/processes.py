"""Encodes shards in processes of this machine, one a GPU; for a few GPUs without Ray."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from fieldmark.errors import ModelError
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel
from fieldmark.tools.images.pool_shard import PoolShard

_worker: list[ShardEncoder] = []
"""Of a worker process: its model, from its start to its end."""


class ProcessEngine:
    """An `Engine` with a process for each device.

    A process that is killed ends all of them: what was given before is kept, and the same command goes on.

    Args:
        devices: One name a process, such as "cuda:0".
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = tuple(devices)

    def encode(self, shards: Sequence[PoolShard], model: WorkerModel) -> Iterator[EncodedShard]:
        """See `Engine`."""
        context = get_context("spawn")  # CUDA does not survive a fork
        names: Any = context.SimpleQueue()
        threads = max(1, model.threads // len(self._devices))
        for device in self._devices:
            names.put(model.model_copy(update={"device": device, "threads": threads}).model_dump_json())
        pool = ProcessPoolExecutor(
            len(self._devices), mp_context=context, initializer=_begin, initargs=(names,)
        )
        try:
            given = [pool.submit(_encode, at, each.model_dump_json()) for at, each in enumerate(shards)]
            for each in as_completed(given):
                yield each.result()
        except BrokenProcessPool as error:
            raise ModelError(
                "A process that encoded images has ended.",
                hint="What it had finished is kept: run the command again.",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def local_devices() -> tuple[str, ...]:
    """The GPUs of this machine, or else its CPU."""
    import torch

    return tuple(f"cuda:{at}" for at in range(torch.cuda.device_count())) or ("cpu",)


def _begin(names: Any) -> None:
    _worker.append(ShardEncoder(WorkerModel.model_validate_json(names.get())))


def _encode(number: int, shard: str) -> EncodedShard:
    return _worker[0].encode(number, PoolShard.model_validate_json(shard))
