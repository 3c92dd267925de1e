"""Memory and time of each method of `fieldmark eval` on random vectors, each in a process of its own.

python benchmarks/eval_scale.py --classes 1000 --images 50000 --methods clip-80,zpe,transclip-zs

Prints one line a method: seconds, peak memory in GiB, or why it refuses. Accuracies mean nothing here.
"""

import argparse
import asyncio
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

GIB = 1 << 30


class RandomEncoder:
    """Unit vectors that belong to a content hash or a text; nothing is read and no network is run."""

    name, identity, context_length, logit_scale, random_weights = "random", "0" * 64, 77, 100.0, True
    reference = None
    failures = ()

    def __init__(self, width: int) -> None:
        from fieldmark.records import EncoderUsage

        self.width, self.usage = width, EncoderUsage()
        self.known: dict[tuple, torch.Tensor] = {}

    def encode_images(self, images, *, progress=None):
        from fieldmark.tools.clip.encoder import EncodedImages

        key = (images[0].content_hash, len(images)) if images else ()
        if key not in self.known:
            seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6])
            drawn = torch.randn(len(images), self.width, generator=torch.Generator().manual_seed(seed))
            self.known[key] = torch.nn.functional.normalize(drawn, dim=1)
        return EncodedImages(self.known[key], torch.ones(len(images), dtype=torch.bool))

    def encode_texts(self, texts, *, progress=None):
        rows = np.empty((len(texts), self.width), dtype=np.float32)
        for row, text in enumerate(texts):
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
            rows[row] = np.random.Generator(np.random.SFC64(seed)).standard_normal(self.width, np.float32)
        return torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)


def test_set(given):
    """A test set of images that do not exist, with everything that any method may need."""
    from fieldmark.evals.table.sources.aviary_settings import CONTEXTS, QUESTIONS, TEMPLATES
    from fieldmark.evals.table.test_set import TestSet
    from fieldmark.tools.images.files import ImageFile

    nouns = ("heron", "finch", "hawk", "duck", "crow")
    names = tuple(f"kind {number} {nouns[number % len(nouns)]}" for number in range(given.classes))

    def made(what: str, count: int):
        return tuple(
            ImageFile(Path(f"{what}/{n}.jpg"), f"{what}{n:063d}"[:64], names[n % len(names)])
            for n in range(count)
        )

    parents = {name: name.split()[-1] for name in names} | dict.fromkeys(nouns, "bird")
    pool = made("p", 10 * given.classes)
    return TestSet(
        data="random",
        setting="test",
        classes=names,
        noun="bird",
        images=made("t", given.images),
        train=made("s", given.shots * given.classes),
        pool=pool,
        captions=tuple(f"a photo of a {image.label} with red wings" for image in pool),
        parents=parents,
        factors=CONTEXTS,
        templates=TEMPLATES,
        questions=QUESTIONS,
        concept="bird",
    )


def measure(given) -> None:
    """One method, in this process."""
    from fieldmark.aviary.guide.direct import DirectGuide
    from fieldmark.aviary.guide.guide import Guide
    from fieldmark.errors import FieldmarkError
    from fieldmark.evals.methods.registry import methods_named
    from fieldmark.evals.table.bench import EvalBench
    from fieldmark.tools.runs.folder import RunFolder

    (method,) = methods_named([given.methods])
    torch.set_num_threads(given.threads)
    llm = DirectGuide(Guide(()))
    with tempfile.TemporaryDirectory() as folder:
        encoder = RandomEncoder(given.width)
        bench = EvalBench.of(test_set(given), encoder=encoder, llm=llm, run=RunFolder(Path(folder)))
        bench.vectors.sum()
        before, begun = peak(), time.perf_counter()
        try:
            scored = asyncio.run(method.run(bench))
            shape = "words" if scored.scores is None else "×".join(map(str, scored.scores.shape))
            said = f"{time.perf_counter() - begun:8.1f} s  scores {shape}"
        except FieldmarkError as error:
            said = f"refuses: {error}"
    print(f"{method.key:22} {peak() / GIB:6.2f} GiB peak ({before / GIB:.2f} before)  {said}", flush=True)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", default="all")
    parser.add_argument("--limit", type=float, default=1800, help="seconds a method")
    parser.add_argument("--one", action="store_true", help="measure in this process")
    given = parser.parse_args()
    if given.one:
        measure(given)
        return
    from fieldmark.evals.methods.registry import methods_named

    passed: list[str] = []
    for name in ("classes", "images", "shots", "width", "threads"):
        passed += [f"--{name}", str(getattr(given, name))]
    for method in methods_named(given.methods.split(",")):
        command = [sys.executable, __file__, "--one", "--methods", method.key, *passed]
        try:
            done = subprocess.run(command, timeout=given.limit, check=False)
            if done.returncode:
                print(f"{method.key:22} ended with {done.returncode}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"{method.key:22} took more than {given.limit:.0f} s", flush=True)


if __name__ == "__main__":
    main()
