"""Encodes shards by Ray Data: actors that hold the model, on this machine or on a cluster."""

import importlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from fieldmark.errors import InputError, ModelError
from fieldmark.tools.clip.engines.pieces import Piece, from_row
from fieldmark.tools.clip.engines.ray_actors import RayDecoder, RayEncoder, RayWorker
from fieldmark.tools.clip.engines.work import EncodedShard, WorkerModel
from fieldmark.tools.images.pool_shard import PoolShard

_MOST_THREADS, _MOST_BESIDE_GPU = 4, 16
"""Cores that an actor takes at most: without a GPU, where more of them want more actors; and with one, where
they decode."""
_AT_ONCE = 2
"""Shards in an actor: one is encoded, the next is read and decoded."""
_LEAST_BLOCK = 1 << 20
"""Bytes from which a piece goes on as a block of its own; Ray would gather 128 MiB of them."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # deaths of workers are what it is for
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # how Ray will do it; without, it warns
}
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has the processes of a Ray of our own listen on 127.0.0.1, also on Linux; Ray's name for that is odd."""


class RayEngine(AbstractContextManager["RayEngine"]):
    """An `Engine` by Ray Data. Ray is imported and started with the first shard, and stopped by `close`.

    An actor that is killed is started again, and its shard goes to whichever is free. A Ray that runs in this
    process already is used, and left running.

    Args:
        address: Of a cluster; None starts Ray on this machine, on loopback, for as long as this lives.
        device: "cpu" leaves GPUs unused; else each GPU gets an actor, where the cluster has any. Cores beyond
            those beside the GPUs then decode for them; see `share_apart`.
        actors: How many; chosen by what the cluster has where not given.
        cores: CPU cores of a Ray on this machine; all where not given.

    Attributes:
        worker: What actors are made of that encode whole shards.
        decoder: What actors are made of that decode for others.
        encoder: What actors are made of that encode what others have decoded.

    Raises:
        InputError: Ray is not installed.
    """

    worker: Any = RayWorker
    decoder: Any = RayDecoder
    encoder: Any = RayEncoder

    def __init__(
        self,
        address: str | None = None,
        *,
        device: str = "auto",
        actors: int | None = None,
        cores: int | None = None,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise _not_installed()
        self._address = address
        self._device = device
        self._actors = actors
        self._cores = cores
        self._started = False

    def encode(self, shards: Sequence[PoolShard], model: WorkerModel) -> Iterator[EncodedShard]:
        """See `Engine`."""
        ray = self._ray()
        from ray.data import ActorPoolStrategy, DataContext, from_items

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        nodes = [each["Resources"] for each in ray.nodes() if each["Alive"]]
        on_gpu = self._device != "cpu" and any(each.get("GPU", 0) >= 1 for each in nodes)
        count, threads = share(nodes, on_gpu=on_gpu, actors=self._actors)
        decoders, cores = share_apart(nodes, count * threads) if on_gpu else (0, 0)

        def pool(size: int, *, calls: int) -> ActorPoolStrategy:
            return ActorPoolStrategy(
                size=min(size, len(shards)),
                max_tasks_in_flight_per_actor=_AT_ONCE,  # more are hoarded by the actor that is ready first
                max_concurrent_calls_per_actor=calls,
                enable_true_multi_threading=True,
            )

        def arguments(threads: int) -> tuple[str]:
            return (model.on("cuda" if on_gpu else "cpu", threads=threads).model_dump_json(),)

        context = DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.target_max_block_size = _LEAST_BLOCK
        with DataContext.current(context):
            # One block a shard: Ray gives work out, and does it again after a death, by the block.
            work = from_items(
                [{"number": number, "shard": each.model_dump_json()} for number, each in enumerate(shards)],
                override_num_blocks=len(shards),
            )
        if decoders:
            work = work.map_batches(
                self.decoder,
                fn_constructor_args=arguments(cores),
                batch_size=1,
                compute=pool(decoders, calls=1),
                num_cpus=cores,
            )
        work = work.map_batches(
            self.encoder if decoders else self.worker,
            fn_constructor_args=arguments(1 if decoders else threads),
            batch_size=1,
            compute=pool(count, calls=_AT_ONCE),
            num_cpus=0 if decoders else threads,  # no actor that decodes may keep it from its GPU
            num_gpus=1 if on_gpu else None,
        )
        waiting = dict[int, dict[int, Piece]]()
        with self._translated():
            for row in work.iter_rows():
                piece = from_row(row)
                there = waiting.setdefault(piece.number, {})
                there[piece.at] = piece
                if any(each.last for each in there.values()) and len(there) == 1 + max(there):
                    yield joined([each for _, each in sorted(waiting.pop(piece.number).items())])

    def close(self) -> None:
        """Stop the Ray that was started here; closing twice is fine."""
        if self._started:
            import ray

            self._started = False
            ray.shutdown()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ray(self) -> Any:
        for name, value in {**_QUIET, **({} if self._address else _ON_LOOPBACK)}.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise _not_installed(f" ({error})") from error
        if not ray.is_initialized():
            self._start(ray)
        try:
            import ray.data  # takes seconds, in which Ray's processes go on starting
        except ImportError as error:
            self.close()
            raise _not_installed(f" ({error})") from error
        return ray

    def _start(self, ray: Any) -> None:
        local: dict[str, Any] = {} if self._address else {"include_dashboard": False, "num_cpus": self._cores}
        try:
            ray.init(
                address=self._address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **local,
            )
        except Exception as error:  # connection errors, and RuntimeErrors of all kinds
            raise ModelError(
                f"Ray cannot be reached at {self._address or 'this machine'}: {_short(error)}.",
                hint="Check RAY_ADDRESS; without it Ray is started here."
                if self._address
                else "A machine that is busy may be too slow to start it: run the command again.",
            ) from error
        # What workers die of is printed to stdout, where results go. Ray's own debugger silences it so.
        worker: Any = importlib.import_module("ray._private.worker")
        worker._worker_logs_enabled = False
        self._started = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from ray.exceptions import RayError

        try:
            yield
        except RayError as error:
            raise ModelError(
                f"Ray's workers could not encode: {_short(error)}.",
                hint="Every machine of the cluster needs fieldmark, the model's weights, and the images.",
            ) from error


def share(
    nodes: Sequence[Mapping[str, float]], *, on_gpu: bool, actors: int | None = None
) -> tuple[int, int]:
    """How many actors there are to be, and the cores of each: what each of the machines can give.

    Args:
        nodes: What Ray says that each machine has, of it "CPU" and "GPU".
        on_gpu: Whether each actor has a GPU; machines without one then encode nothing.
        actors: How many are wanted.
    """
    if on_gpu:
        having = [(int(each["GPU"]), int(each.get("CPU", 0))) for each in nodes if each.get("GPU", 0) >= 1]
        beside = min(cores // gpus for gpus, cores in having)
        return actors or sum(gpus for gpus, _ in having), max(1, min(_MOST_BESIDE_GPU, beside))
    cores = [int(each["CPU"]) for each in nodes if each.get("CPU", 0) >= 1] or [1]
    count = actors or min(sum(cores), max(2, sum(each // _MOST_THREADS for each in cores)))
    return count, max(1, min(_MOST_THREADS, min(cores), sum(cores) // count))


def share_apart(nodes: Sequence[Mapping[str, float]], beside: int) -> tuple[int, int]:
    """How many actors are to decode for those with a GPU, and the cores of each.

    They take the cores of all machines but one for each GPU; none, where that is no more than the actors have
    beside their GPUs: what is decoded there takes no way.

    Args:
        nodes: As `share` takes them.
        beside: Cores that actors have beside their GPUs.
    """
    free = [max(0, int(each.get("CPU", 0)) - int(each.get("GPU", 0))) for each in nodes]
    cores = max(1, min(_MOST_THREADS, max(free, default=0)))
    count = sum(each // cores for each in free)
    return (count, cores) if count * cores > beside else (0, 0)


def _not_installed(why: str = "") -> InputError:
    return InputError(
        f"The engine is Ray, which is not installed{why}.",
        hint='Install it: pip install "fieldmark[ray]"',
        field="engine",
    )


def joined(pieces: Sequence[Piece]) -> EncodedShard:
    """A shard of all its pieces, in order; content that comes twice has the vector of the piece before."""
    found, files, rows = dict[str, np.ndarray](), list[tuple[str, str]](), list[np.ndarray]()
    for each in pieces:
        found.update(zip(each.keys, each.values, strict=True))
        files += each.files
        rows += (found[key] for _, key in each.files)
    return EncodedShard(
        number=pieces[0].number,
        names=tuple(name for name, _ in files),
        keys=tuple(key for _, key in files),
        rows=np.stack(rows) if rows else np.zeros((0, pieces[0].values.shape[1]), np.float16),
        skipped=tuple(skipped for each in pieces for skipped in each.skipped),
    )


def _short(error: Exception) -> str:
    """The last line that says what was raised: above it are tracebacks of other machines, below it advice."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)] or lines
    return (lines[-1] if lines else type(error).__name__)[:300].rstrip(".")
