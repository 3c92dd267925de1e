"""A million vectors: labelled into a table, searched, and scored by the table rule; time and peak memory.

Each part runs in a process of its own, so that the peak is its own, beside a bare product in the same run. It
measures and asserts nothing.

python benchmarks/large/pools.py predict --vectors 1000000 --classes 10
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

WIDTH = 512
AT_ONCE = 1 << 13


def write_vectors(path: Path, count: int, classes: int, *, kind: type = np.float32) -> None:
    """Structured vectors: unit centres with noise of twice their length, written block by block."""
    chance = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(classes, WIDTH, generator=chance), dim=1)
    header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": (count, WIDTH)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, AT_ONCE):
            number = torch.arange(start, min(count, start + AT_ONCE))
            noise = torch.randn(len(number), WIDTH, generator=chance) * 2 / WIDTH**0.5
            rows = torch.nn.functional.normalize(centres[number % classes] + noise, dim=1)
            file.write(rows.numpy().astype(kind).tobytes())


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time and of processor time; on a busy machine only the latter says much."""

    wall: float
    processor: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall - other.wall, self.processor - other.processor)

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.processor:.2f} s of processor time)"


class Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def so_far(self) -> Spent:
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._processor)


def peak() -> float:
    """Peak memory of this process in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def predict(given: argparse.Namespace) -> None:
    from fieldmark.app.learned.to_table import label_to_table
    from fieldmark.tools.clip.vector_file import VectorFile

    folder = Path(given.folder)
    file = VectorFile.open(folder / "vectors.npy")
    began = Clock()
    for _ in file.blocks(given.block):
        pass
    reading = began.so_far()
    print(f"reading alone: {reading}", flush=True)
    for table in ("labels.parquet", "labels.csv") * given.turns:
        began = Clock()
        made = label_to_table(folder / "export", folder / "vectors.npy", folder / table, block=given.block)
        spent = began.so_far()
        print(f"{table}: {spent} with reading; {made.rows:,} rows; peak {peak():.2f} GiB", flush=True)
    weights = torch.randn(given.classes, WIDTH)
    began = Clock()
    for block in file.blocks(given.block):
        _ = block @ weights.T
    rest = began.so_far() - reading
    print(f"bare product with {given.classes} classes: {rest} without reading", flush=True)


def search(given: argparse.Namespace) -> None:
    """Exact search in a file, beside the bare products of the same blocks."""
    from fieldmark.tools.clip.vector_file import VectorFile
    from fieldmark.tools.concepts import nearest

    file = VectorFile.open(Path(given.folder) / "vectors.npy")
    for count in (1, 16, 256):
        queries = torch.nn.functional.normalize(torch.randn(count, WIDTH), dim=1)
        for _ in range(given.turns):
            began = Clock()
            for block in file.blocks(nearest.BLOCK):
                _ = queries @ block.T
            bare = began.so_far()
            began = Clock()
            nearest.nearest(file, queries, 100)
            spent = began.so_far()
            print(
                f"{count} queries, the 100 nearest: {spent}; bare products {bare}; both with reading; ratio "
                f"{spent.processor / bare.processor:.2f} by processor time; peak {peak():.2f} GiB",
                flush=True,
            )


def index(given: argparse.Namespace) -> None:
    """An index over the vectors in memory: what it takes, and how many of the nearest it finds."""
    from fieldmark.tools.concepts import nearest

    vectors = torch.from_numpy(np.load(Path(given.folder) / "vectors.npy"))
    queries = vectors[:: max(1, len(vectors) // 200)][:200]
    exact = nearest.nearest(vectors, queries, 100)
    began = Clock()
    found = nearest.VectorIndex(vectors)
    print(f"making it: {began.so_far()}", flush=True)
    for lists in (16, 64, 256):
        found._index.nprobe = lists
        began = Clock()
        hits = found.nearest(queries, 100)
        spent = began.so_far()
        recall = float((hits.rows[:, :, None] == exact.rows[:, None]).any(1).float().mean())
        print(f"{lists} lists: recall of the 100 nearest {recall:.3f}, 200 queries {spent}", flush=True)


def table(given: argparse.Namespace) -> None:
    """The table rule over candidates of each image, vectors read from the file."""
    from fieldmark.tools.clip.vector_file import VectorFile
    from fieldmark.tools.scoring.table import table_rule
    from fieldmark.tools.scoring.vectors import BlockCosines

    file = VectorFile.open(Path(given.folder) / "vectors.npy")
    chance = torch.Generator().manual_seed(1)
    values = torch.nn.functional.normalize(torch.randn(24, 8, WIDTH, generator=chance), dim=2)
    counts = torch.nn.functional.one_hot(torch.randint(0, 8, (1000, 24), generator=chance), 8).float()
    candidates = torch.randint(0, 1000, (len(file), 10), generator=chance)
    print(f"before: peak {peak():.2f} GiB", flush=True)
    began = Clock()
    table_rule(BlockCosines(file, values), counts, candidates)
    print(
        f"{len(file):,} images x 10 candidates, 1,000 classes, 24 attributes of 8 values: {began.so_far()}, "
        f"peak {peak():.2f} GiB",
        flush=True,
    )


def make_export(folder: Path, classes: int) -> None:
    """An exported classifier of this many classes, fitted on 20 vectors a class."""
    from fieldmark.testing import HashingEncoder
    from fieldmark.tools.exports.encoder_stamp import EncoderStamp
    from fieldmark.tools.exports.folder import write_folder
    from fieldmark.tools.learned.contest import learn
    from fieldmark.tools.learned.stored import LearnedConfig, arrays_of, written
    from fieldmark.tools.learned.student import Lesson
    from fieldmark.tools.scoring.inductive import InductiveGuide

    vectors = torch.from_numpy(np.load(folder / "vectors.npy", mmap_mode="r")[: 20 * classes].copy())
    truth = torch.nn.functional.one_hot(torch.arange(len(vectors)) % classes, classes).float()
    names = (truth.T @ vectors) / 20

    def guide(reference: torch.Tensor) -> InductiveGuide:
        empty = torch.zeros(0, 0, WIDTH)
        return InductiveGuide(empty, torch.zeros(classes, 0, 0), names, reference, scale=20.0)

    learned = learn(Lesson(vectors, truth, torch.ones(len(vectors))), guide, reject=0.02)
    config = LearnedConfig(
        run="benchmark", created="2026-01-01T00:00:00+00:00", noun="thing", reference="pool",
        logit_scale=20.0,
        classes=tuple(f"class {n}" for n in range(classes)),
        encoder=EncoderStamp.of(HashingEncoder(width=WIDTH)),
        contenders=dict(learned.contenders), best="student", decay=learned.decay, reject=0.02,
        farthest=learned.farthest, risk=0.05, tau=0.02, images=len(vectors), labels=0, files={},
    )  # fmt: skip
    write_folder(folder / "export", written(config, arrays_of(learned), {}), leftovers=lambda _: ())


def rows(given: argparse.Namespace) -> None:
    """What stored rows take on their way to unit vectors in the order that was asked for."""
    from fieldmark.tools.clip.encoder import unit_rows

    stored = np.load(Path(given.folder) / "vectors.npy").astype(np.float16)
    before, began = peak(), Clock()
    made = unit_rows(stored)[np.arange(len(stored))]
    taken = (peak() - before) * 2**30 / made.numel()
    print(f"{len(stored):,} rows: {began.so_far()}; {taken:.1f} bytes a value beside 2 as stored", flush=True)


PARTS = {"predict": predict, "search": search, "index": index, "table": table, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--block", type=int, default=AT_ONCE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--folder", help="Where the vectors lie; they are made where it is not given.")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.folder:
        PARTS[given.part](given)
        return
    with TemporaryDirectory() as folder:
        write_vectors(Path(folder) / "vectors.npy", given.vectors, given.classes)
        if given.part == "predict":
            make_export(Path(folder), given.classes)
        subprocess.run([sys.executable, *sys.argv, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
