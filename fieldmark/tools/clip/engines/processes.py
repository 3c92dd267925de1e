"""Encodes shards in processes of this machine, one a GPU; for a few GPUs without Ray."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any

from fieldmark.errors import FieldmarkError, ModelError
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel
from fieldmark.tools.images.pool_shard import PoolShard

_worker: list[ShardEncoder | FieldmarkError] = []
"""Of a worker process: its model, from its start to its end, or why it has none."""
_IN_FLIGHT = 2
"""Shards that a process has at a time: the one that it encodes, and the one that follows."""


class ProcessEngine:
    """An `Engine` with a process for each device.

    Unlike the workers of other engines, a process that is killed ends all of them: what was given before is
    kept, and the same command goes on.

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
            coming = enumerate(shards)
            flying = set[Future[EncodedShard]]()
            free = _IN_FLIGHT * len(self._devices)
            while True:
                flying |= {
                    pool.submit(_encode, at, each.model_dump_json()) for at, each in islice(coming, free)
                }
                if not flying:
                    return
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                free = len(done)
                while done:  # nothing that was given is held on to
                    yield done.pop().result()
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
    # What is raised here would only be printed, and the pool be "broken": the first shard tells it.
    try:
        _worker.append(ShardEncoder(WorkerModel.model_validate_json(names.get())))
    except FieldmarkError as error:
        _worker.append(error)
    except Exception as error:
        said = f"{type(error).__name__}: {error}".rstrip(".: ")
        _worker.append(
            ModelError(f"A process cannot open the model ({said}).", hint="Try the local engine, or the CPU.")
        )


def _encode(number: int, shard: str) -> EncodedShard:
    held = _worker[0]
    if isinstance(held, FieldmarkError):
        raise held
    return held.encode(number, PoolShard.model_validate_json(shard))
