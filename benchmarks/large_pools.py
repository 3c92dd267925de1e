"""A million vectors: labelled into a table, searched, and scored by the table rule; time and peak memory.

Each part runs in a process of its own, so that the peak is its own, beside a bare product in the same run. It
measures and asserts nothing.

python benchmarks/large_pools.py predict --vectors 1000000 --classes 10
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

WIDTH = 512
AT_ONCE = 1 << 14


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


def peak() -> float:
    """Peak memory of this process in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def predict(given: argparse.Namespace) -> None:
    from fieldmark.app.learned.to_table import label_to_table
    from fieldmark.tools.clip.vector_file import VectorFile

    folder = Path(given.folder)
    began = time.perf_counter()
    for _ in VectorFile.open(folder / "vectors.npy").blocks(given.block):
        pass
    reading = time.perf_counter() - began
    print(f"reading alone: {reading:.2f} s", flush=True)
    for table in ("labels.parquet", "labels.csv"):
        began, processor = time.perf_counter(), time.process_time()
        made = label_to_table(folder / "export", folder / "vectors.npy", folder / table, block=given.block)
        spent = time.perf_counter() - began
        rest = spent - reading
        print(
            f"{table}: {spent:.2f} s with reading, {rest:.2f} s without: {made.rows / 1e6 / rest:.2f} million/s; "
            f"{time.process_time() - processor:.2f} s of processor time; peak {peak():.2f} GiB",
            flush=True,
        )
    weights = torch.randn(given.classes, WIDTH)
    spent = 0.0
    for block in VectorFile.open(folder / "vectors.npy").blocks(given.block):
        began = time.perf_counter()
        _ = block @ weights.T
        spent += time.perf_counter() - began
    print(f"bare product with {given.classes} classes, without reading: {spent:.2f} s", flush=True)


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
        run="benchmark", created="2026-01-01T00:00:00+00:00", noun="thing", logit_scale=20.0, reference="pool",
        classes=tuple(f"class {n}" for n in range(classes)),
        encoder=EncoderStamp.of(HashingEncoder(width=WIDTH)),
        contenders=dict(learned.contenders), best="student", decay=learned.decay, reject=0.02,
        farthest=learned.farthest, risk=0.05, tau=0.02, images=len(vectors), labels=0, files={},
    )  # fmt: skip
    write_folder(folder / "export", written(config, arrays_of(learned), {}), leftovers=lambda _: ())


PARTS = {"predict": predict}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--block", type=int, default=AT_ONCE)
    parser.add_argument("--threads", type=int, default=2)
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
