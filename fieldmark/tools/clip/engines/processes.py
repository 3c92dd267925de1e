"""Encodes shards in processes of this machine, one a GPU; for a few GPUs without Ray."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from fieldmark.errors import FieldmarkError, ModelError
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel
from fieldmark.tools.images.decode import silence_size_warning
from fieldmark.tools.images.pool_shard import PoolShard

_worker: list[ShardEncoder | FieldmarkError] = []
"""Of a worker process: its model, from its start to its end, or why it has none."""
_begun: list[Callable[[], EncodedShard]] = []
"""Of a worker process: the shard that it reads and decodes, and encodes with its next task."""
_IN_FLIGHT = 2
"""Tasks that a process has at a time: the one that it does, and the one that follows."""


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
        threads = max(1, model.threads // len(self._devices))
        pools = [
            ProcessPoolExecutor(
                1,
                mp_context=context,
                initializer=_open,
                initargs=(model.on(device, threads=threads).model_dump_json(),),
            )
            for device in self._devices
        ]
        coming = enumerate(shards)
        flying = dict[Future[EncodedShard | None], ProcessPoolExecutor | None]()

        def hand_out(pool: ProcessPoolExecutor) -> None:
            """The next shard; or, for want of one, nothing, so that what was begun is encoded."""
            number, shard = next(coming, (0, None))
            sent = pool.submit(_encode, number, shard.model_dump_json() if shard is not None else None)
            flying[sent] = pool if shard is not None else None

        try:
            for pool in pools * _IN_FLIGHT:
                hand_out(pool)
            while flying:
                for done in wait(flying, return_when=FIRST_COMPLETED).done:
                    pool = flying.pop(done)
                    if pool is not None:
                        hand_out(pool)
                    if (shard := done.result()) is not None:
                        yield shard
        except BrokenProcessPool as error:
            raise ModelError(
                "A process that encoded images has ended.",
                hint="What it had finished is kept: run the command again.",
            ) from error
        finally:
            for pool in pools:
                pool.shutdown(wait=True, cancel_futures=True)


def local_devices() -> tuple[str, ...]:
    """The GPUs of this machine, or else its CPU."""
    import torch

    return tuple(f"cuda:{at}" for at in range(torch.cuda.device_count())) or ("cpu",)


def _open(model: str) -> None:
    # What is raised here would only be printed, and the pool be "broken": the first shard tells it.
    silence_size_warning()
    try:
        _worker.append(ShardEncoder(WorkerModel.model_validate_json(model)))
    except FieldmarkError as error:
        _worker.append(error)
    except Exception as error:
        said = f"{type(error).__name__}: {error}".rstrip(".: ")
        _worker.append(
            ModelError(f"A process cannot open the model ({said}).", hint="Try the local engine, or the CPU.")
        )


def _encode(number: int, shard: str | None) -> EncodedShard | None:
    """Begin a shard, if there is one, and encode the one that was begun before, if any."""
    held = _worker[0]
    if isinstance(held, FieldmarkError):
        raise held
    before = list(_begun)
    _begun[:] = [held.begin(number, PoolShard.model_validate_json(shard))] if shard is not None else []
    return before[0]() if before else None
