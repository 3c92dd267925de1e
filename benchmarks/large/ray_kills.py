"""Encodes a pool here and by Ray, with workers killed at random, and compares vectors, work and time.

    python benchmarks/large/ray_kills.py --images 20000 --workers 2 --kills 20
    python benchmarks/large/ray_kills.py --pool photos --clip ViT-B-32:laion2b_s34b_b79k
    python benchmarks/large/ray_kills.py --images 5000 --kills 10 --apart

Three runs, each into a store of its own: this process; Ray undisturbed, from which the overhead comes; Ray
with kills (SIGKILL, a random worker after a random shard). `begun_twice` counts the shards that workers began
once more, by what each worker wrote down: two for each kill at most, which were in flight, the one that was
encoded and the one that was decoded meanwhile. `cpu_s` is the
processor time of all processes of a run, Ray's own among them, but not of workers that were killed: it says
what Ray costs where others use the machine, too, and seconds say little. With `--apart` the cluster is of two
machines in name, on loopback: what calls itself a GPU on one encodes what the workers on the other decode.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.clip.engines.filling import SHARD, fill
from fieldmark.tools.clip.engines.ray_actors import RayDecoder, RayEncoder, RayWorker
from fieldmark.tools.clip.engines.ray_data import RayEngine
from fieldmark.tools.clip.engines.work import EncodedShard, WorkerModel, worker_model
from fieldmark.tools.images.files import find_images
from fieldmark.tools.images.pool_shard import PoolShard


def draw(folder: Path, count: int) -> None:
    """Pictures of the aviary, all different."""
    from fieldmark import aviary

    species = 50
    book = aviary.species_book(seed=500, new=species, known=0)
    aviary.render_dataset(folder, book, images_per_species=-(-count // species), seed=500)


def processes() -> dict[int, tuple[str, float]]:
    """This process and those below it: how each is called, and its processor time in seconds."""
    above: dict[int, int] = {}
    found: dict[int, tuple[str, float]] = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            said = (each / "stat").read_text().rpartition(")")[2].split()
            ticks = sum(map(int, said[11:15]))  # its own and its ended children's, user and system
            found[int(each.name)] = ((each / "cmdline").read_text(), ticks / os.sysconf("SC_CLK_TCK"))
            above[int(each.name)] = int(said[1])
        except OSError:
            continue

    def is_ours(pid: int) -> bool:
        while pid in above and pid != os.getpid():
            pid = above[pid]
        return pid == os.getpid()

    return {pid: each for pid, each in found.items() if is_ours(pid)}


def workers() -> list[int]:
    """The actors below this process."""
    return [pid for pid, (name, _) in processes().items() if name.startswith("ray::MapWorker")]


def cpu_seconds() -> float:
    """Processor time of this process and those below it."""
    return sum(spent for _, spent in processes().values())


def noted(batch: dict[str, Any]) -> None:
    """Write down the shard of a batch."""
    with Path(os.environ["BEGUN"]).open("a") as file:
        file.write(f"{int(batch['number'][0])}\n")


class Noting(RayWorker):
    """Writes down each shard that a worker begins."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        noted(batch)
        return super().__call__(batch)


class NotingDecoder(RayDecoder):
    """Writes down each shard that an actor begins to decode."""

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        noted(batch)
        yield from super().__call__(batch)


class OnCpu(RayEncoder):
    """Its GPU is one in name only."""

    def __init__(self, model: str) -> None:
        super().__init__(WorkerModel.model_validate_json(model).on("cpu", threads=1).model_dump_json())


class NotingEngine(RayEngine):
    """An engine whose workers write down what they begin."""

    worker = Noting
    decoder = NotingDecoder
    encoder = OnCpu


@contextmanager
def two_machines(cores: int) -> Iterator[str]:
    """The address of a cluster of one machine with a GPU, in name, and one with cores."""
    from ray.cluster_utils import Cluster

    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"})
    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    machines.add_node(num_cpus=cores)
    try:
        yield machines.address
    finally:
        machines.shutdown()


def opened(spec: str, folder: Path) -> ClipEncoder:
    """The encoder, with a store of its own."""
    return open_encoder(spec, vectors=lambda _, width: open_vector_store(folder, width=width), device="cpu")


def by_ray(
    images: Sequence[Any],
    spec: str,
    folder: Path,
    *,
    count: int,
    kills: int,
    seed: int,
    size: int,
    apart: bool,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Vectors by Ray, and what it took; a worker is killed after shards chosen at random."""
    encoder, chance = opened(spec, folder), random.Random(seed)
    started, spent = time.perf_counter(), cpu_seconds()
    facts: dict[str, Any] = {"killed": 0, "given_twice": 0}
    begun = folder.with_suffix(".begun")
    os.environ["BEGUN"] = str(begun)  # a Ray that is started here hands it on
    with ExitStack() as closing:
        address = closing.enter_context(two_machines(count)) if apart else None
        engine = NotingEngine(address, actors=1 if apart else count, cores=count)
        closing.enter_context(engine)
        encode = partial(engine.encode, model=worker_model(encoder, threads=1))

        def killing(whole: Sequence[PoolShard]) -> Iterator[EncodedShard]:
            shards = [
                PoolShard(places=each.places[at : at + size], hashes=each.hashes[at : at + size])
                for each in whole
                for at in range(0, len(each.places), size)
            ]
            seen = set[int]()
            when = sorted(chance.sample(range(len(shards) - count), min(kills, len(shards) - count)))
            for done, each in enumerate(encode(shards)):
                facts.setdefault("first_shard_s", round(time.perf_counter() - started, 1))
                facts.setdefault("first_shard_cpu_s", round(cpu_seconds() - spent, 1))
                facts["given_twice"] += each.number in seen
                seen.add(each.number)
                while when and when[0] <= done and (alive := workers()):
                    when.pop(0)
                    os.kill(chance.choice(alive), signal.SIGKILL)
                    facts["killed"] += 1
                yield each

        encoder.elsewhere = partial(fill, encode=killing)
        vectors = encoder.encode_images(images).vectors.numpy()
        facts["seconds"] = round(time.perf_counter() - started, 1)
        facts["cpu_s"] = round(cpu_seconds() - spent, 1)
    numbers = begun.read_text().split()
    facts["begun_twice"] = len(numbers) - len(set(numbers))
    facts["shards"] = len(set(numbers))
    facts["stored"] = encoder.usage.images_encoded
    print(json.dumps(facts), file=sys.stderr)
    return vectors, facts


def main() -> int:
    """Run and print one JSON object."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--pool", type=Path, help="images; else pictures of the aviary are drawn")
    asked.add_argument("--images", type=int, default=20_000)
    asked.add_argument("--clip", default="aviary")
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--kills", type=int, default=20)
    asked.add_argument("--shard", type=int, default=SHARD, help="images of a shard")
    asked.add_argument("--apart", action="store_true", help="a machine decodes for another")
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as work:
        pool = given.pool or Path(work) / "pool"
        if given.pool is None:
            draw(pool, given.images)
        images = find_images([pool]).images[: given.images]
        started, spent = time.perf_counter(), cpu_seconds()
        here = opened(given.clip, Path(work) / "local").encode_images(images).vectors.numpy()
        local_s, local_cpu_s = time.perf_counter() - started, cpu_seconds() - spent
        print(f"here: {local_s:.1f} s, {local_cpu_s:.1f} s of processor time", file=sys.stderr)
        run = partial(
            by_ray,
            images,
            given.clip,
            count=given.workers,
            seed=given.seed,
            size=given.shard,
            apart=given.apart,
        )
        quiet, undisturbed = run(Path(work) / "ray", kills=0)
        killed, disturbed = run(Path(work) / "kills", kills=given.kills)
    said = {
        "images": len(images),
        "shard": given.shard,
        "workers": given.workers,
        "local_s": round(local_s, 1),
        "local_cpu_s": round(local_cpu_s, 1),
        "ray": undisturbed,
        "overhead": round(undisturbed["seconds"] / local_s - 1, 3),
        "overhead_cpu": round(undisturbed["cpu_s"] / local_cpu_s - 1, 3),
        "ray_with_kills": disturbed,
        "equal": bool(np.array_equal(here, quiet)),
        "equal_with_kills": bool(np.array_equal(here, killed)),
    }
    print(json.dumps(said, indent=2))
    return 0 if said["equal"] and said["equal_with_kills"] else 1


if __name__ == "__main__":
    sys.exit(main())
