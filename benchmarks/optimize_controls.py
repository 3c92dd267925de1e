"""Runs the prompt search and its controls over several seeds and shots, and prints one table.

It measures and asserts nothing. Run: python benchmarks/optimize_controls.py [--seeds 1,2,3,4,5 --shots 1,4]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student

SEARCHES: dict[str, tuple[str, ...]] = {
    "ProAPO, entropy": (),
    "random books": ("--strategy", "random"),
    "ProAPO, accuracy": ("--fitness", "accuracy"),
}
"""What is run; the first one is compared with each of the others."""
START = "from fieldmark.cli import main; main()"


def search(*given: object) -> dict[str, Any]:
    """What one run of the command printed."""
    command = [sys.executable, "-c", START, "optimize", "--data", "aviary", "--json", "--no-report"]
    done = subprocess.run([*command, *map(str, given)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, given))}: {done.stderr}")
    return json.loads(done.stdout)


def interval(values: Sequence[float], *, sign: str = "") -> str:
    """A mean in points with its 95% interval by Student's t; the mean alone where there is but one value."""
    middle = 100 * mean(values)
    if len(values) < 2:
        return f"{middle:{sign}.1f}"
    half = 100 * float(student.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{middle:{sign}.1f} ({middle - half:{sign}.1f} to {middle + half:{sign}.1f})"


def counts(runs: Sequence[dict[str, Any]]) -> str:
    """The fewest and the most candidates of several runs."""
    numbers = [run["candidates"] for run in runs]
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def rows(shots: int, seeds: Sequence[int], given: argparse.Namespace) -> list[tuple[str, ...]]:
    """Run every search at so many shots, and lay out a row of each."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, options in SEARCHES.items():
        found[name] = []
        for seed in seeds:
            bound = ("--ceiling",) if not options and seed == seeds[0] else ()
            world = ("--species", given.species, "--shots", shots, "--seed", seed, "--out", given.out)
            found[name].append(search(*world, *options, *bound))
            score = found[name][-1]["best"]["test_top1"]
            print(f"shots {shots}, {name}, seed {seed}: {100 * score:.1f}", file=sys.stderr, flush=True)
    best = {name: [run["best"]["test_top1"] for run in runs] for name, runs in found.items()}
    first = next(iter(SEARCHES))
    laid: list[tuple[str, ...]] = []
    for name, runs in found.items():
        gains = [run["best"]["test_top1"] - run["start"]["test_top1"] for run in runs]
        gap = [a - b for a, b in zip(best[first], best[name], strict=True)]
        ceiling = runs[0]["ceiling"]
        laid.append(
            (
                str(shots),
                name,
                counts(runs),
                interval(best[name]),
                interval(gains, sign="+"),
                "" if name == first else interval(gap, sign="+"),
                "" if ceiling is None else f"{100 * ceiling:.1f}",
            )
        )
    fewest = [run["candidates"] for run in found["random books"]]
    if any(few < run["candidates"] for few, run in zip(fewest, found[first], strict=True)):
        print("The random control scored fewer candidates than the search.", file=sys.stderr)
    return laid


def numbers(text: str) -> list[int]:
    """Numbers from "1,2,3"."""
    return [int(each) for each in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3, 4, 5])
    parser.add_argument("--shots", type=numbers, default=[1, 4])
    parser.add_argument("--species", type=int, default=80)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args()
    first, bound = f"{next(iter(SEARCHES))} minus this", f"ceiling, seed {given.seeds[0]}"
    heads = ("shots", "search", "candidates", "test top-1", "gain over the start", first, bound)
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for shots in given.shots:
        for row in rows(shots, given.seeds, given):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
