"""Encodes shards by Ray Data: actors that hold the model, on this machine or on a cluster."""

import importlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from fieldmark.errors import InputError, ModelError
from fieldmark.records import SkippedInput
from fieldmark.tools.clip.engines.work import EncodedShard, ShardEncoder, WorkerModel
from fieldmark.tools.images.decode import silence_size_warning
from fieldmark.tools.images.pool_shard import PoolShard

_MOST_THREADS, _MOST_BESIDE_GPU = 4, 16
"""Cores that an actor takes at most: without a GPU, where more of them want more actors; and with one, where
they decode."""
_AT_ONCE = 2
"""Shards in an actor: one is encoded, the next is read and decoded."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # deaths of workers are what it is for
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # how Ray will do it; without, it warns
}
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has the processes of a Ray of our own listen on 127.0.0.1, also on Linux; Ray's name for that is odd."""


class RayWorker:
    """An actor's work: takes one shard, as JSON, in a batch of Ray Data, and gives its vectors.

    Two threads call it, so that one shard is read and decoded while the other is encoded.
    """

    def __init__(self, model: str) -> None:
        silence_size_warning()
        self._encoder = ShardEncoder(WorkerModel.model_validate_json(model))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Encode one shard."""
        number = int(batch["number"][0])
        done = self._encoder.begin(number, PoolShard.model_validate_json(str(batch["shard"][0])))()
        said = {
            "names": done.names,
            "keys": done.keys,
            "width": done.rows.shape[1],
            "skipped": [each.model_dump() for each in done.skipped],
        }
        rows = np.ascontiguousarray(done.rows, dtype="<f2")
        return {"number": [number], "said": [json.dumps(said)], "rows": [rows.tobytes()]}


class RayEngine(AbstractContextManager["RayEngine"]):
    """An `Engine` by Ray Data. Ray is imported and started with the first shard, and stopped by `close`.

    An actor that is killed is started again, and its shard goes to whichever is free. A Ray that runs in this
    process already is used, and left running.

    Args:
        address: Of a cluster; None starts Ray on this machine, on loopback, for as long as this lives.
        device: "cpu" leaves GPUs unused; else each GPU gets an actor, where the cluster has any.
        actors: How many; chosen by what the cluster has where not given.
        cores: CPU cores of a Ray on this machine; all where not given.

    Attributes:
        worker: What actors are made of.

    Raises:
        InputError: Ray is not installed.
    """

    worker = RayWorker

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

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        nodes = [each["Resources"] for each in ray.nodes() if each["Alive"]]
        on_gpu = self._device != "cpu" and any(each.get("GPU", 0) >= 1 for each in nodes)
        count, threads = share(nodes, on_gpu=on_gpu, actors=self._actors)
        model = model.model_copy(update={"device": "cuda" if on_gpu else "cpu", "threads": threads})
        # One block a shard: Ray gives work out, and does it again after a death, by the block.
        work = from_items(
            [{"number": number, "shard": each.model_dump_json()} for number, each in enumerate(shards)],
            override_num_blocks=len(shards),
        ).map_batches(
            self.worker,
            fn_constructor_args=(model.model_dump_json(),),
            batch_size=1,
            compute=ActorPoolStrategy(
                size=min(count, len(shards)),
                max_tasks_in_flight_per_actor=_AT_ONCE,  # more are hoarded by the actor that is ready first
                max_concurrent_calls_per_actor=_AT_ONCE,
                enable_true_multi_threading=True,
            ),
            num_cpus=threads,
            num_gpus=1 if on_gpu else None,
        )
        with self._translated():
            for row in work.iter_rows():
                yield _as_shard(row)

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
            import ray.data
        except ImportError as error:
            raise _not_installed(f" ({error})") from error
        if ray.is_initialized():
            return ray
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
                hint="Check RAY_ADDRESS; without it Ray is started here.",
            ) from error
        # What workers die of is printed to stdout, where results go. Ray's own debugger silences it so.
        worker: Any = importlib.import_module("ray._private.worker")
        worker._worker_logs_enabled = False
        self._started = True
        return ray

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


def _not_installed(why: str = "") -> InputError:
    return InputError(
        f"The engine is Ray, which is not installed{why}.",
        hint='Install it: pip install "fieldmark[ray]"',
        field="engine",
    )


def _as_shard(row: dict[str, Any]) -> EncodedShard:
    said = json.loads(row["said"])
    rows = np.frombuffer(row["rows"], "<f2").astype(np.float16, copy=False)
    return EncodedShard(
        number=int(row["number"]),
        names=tuple(said["names"]),
        keys=tuple(said["keys"]),
        rows=rows.reshape(-1, said["width"]),
        skipped=tuple(SkippedInput.model_validate(each) for each in said["skipped"]),
    )


def _short(error: Exception) -> str:
    """The last line that says something: above it are tracebacks of other machines."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300].rstrip(".")
