"""How much slower the scoring and the demo are beside other programs, quiet and busy in one run.

It starts its own spinning processes, one a core unless told otherwise, and stops them. It asserts nothing.
Run on an otherwise idle machine: python benchmarks/busy.py [--spinners 2] [--turns 3] [--demo]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from fieldmark.tools.scoring.fudd import fudd_scores
from fieldmark.tools.scoring.table import TableOptions, table_rule

SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


@contextmanager
def beside(spinners: int) -> Iterator[None]:
    """Processes that do nothing but compute; they end by themselves should this one be killed."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.extend(subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(spinners))
        time.sleep(1.0 if spinners else 0.0)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def second_step(
    images: int, classes: int, k: int, width: int = 512, device: str = "cpu"
) -> Callable[[], torch.Tensor]:
    """FuDD's second step with two sentences a side for every pair of classes, texts already encoded."""
    chance = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(images, width, generator=chance), dim=1)
    first = torch.randn(images, classes, generator=chance)
    pairs = {
        (a, b): (
            [f"Mark {n} of {a} against {b}" for n in (1, 2)],
            [f"Mark {n} of {b} against {a}" for n in (1, 2)],
        )
        for a in range(classes)
        for b in range(a)
    }
    texts = torch.randn(4 * len(pairs) + classes, width, generator=chance)
    names = [f"A photo of a {c}" for c in range(classes)]
    vectors, texts, first = vectors.to(device), texts.to(device), first.to(device)
    return lambda: fudd_scores(vectors, lambda asked: texts[: len(asked)], first, pairs, names, k=k)


def table(images: int, classes: int, rounds: int, device: str = "cpu") -> Callable[[], torch.Tensor]:
    """The table rule over 24 attributes of 8 values and 10 candidates an image."""
    chance = torch.Generator().manual_seed(0)
    votes = torch.randint(0, 8, (classes, 24), generator=chance)
    counts = torch.nn.functional.one_hot(votes, 8).float()
    candidates = torch.randint(0, classes, (images, 10), generator=chance)
    cosines = torch.randn(images, 24, 8, generator=chance) + counts[candidates[:, 0]]
    cosines, counts, candidates = cosines.to(device), counts.to(device), candidates.to(device)
    return lambda: table_rule(cosines, counts, candidates, TableOptions(rounds=rounds)).scores


def demo(home: str) -> Callable[[], object]:
    """`fieldmark demo` from a warm cache, starting Python included."""
    command = [sys.executable, "-m", "fieldmark", "demo", "--no-report", "--json", "--out", home]
    environment = {**os.environ, "FIELDMARK_HOME": home}

    def run() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    run()
    return run


def seconds(work: Callable[[], object], turns: int) -> float:
    """Median wall time."""
    found: list[float] = []
    for _ in range(turns):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=37)
    parser.add_argument("--spinners", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--demo", action="store_true", help="also the whole demo, in a new folder, twice or more"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        works: dict[str, Callable[[], object]] = {
            f"FuDD's second step, {given.images:,} images": second_step(given.images, given.classes, 10),
            f"table rule, {given.images:,} images, five corrections": table(given.images, given.classes, 5),
        }
        if given.demo:
            works["demo, warm"] = demo(home)
        print(f"{torch.get_num_threads()} thread(s), load before {os.getloadavg()[0]:.1f}, "
              f"{given.spinners} spinning beside")  # fmt: skip
        for name, work in works.items():
            work()
            quiet = seconds(work, given.turns)
            with beside(given.spinners):
                busy = seconds(work, given.turns)
            print(
                f"{name:<55} quiet {quiet:8.3f} s, busy {busy:8.3f} s, ratio {busy / quiet:5.2f}", flush=True
            )


if __name__ == "__main__":
    main()
