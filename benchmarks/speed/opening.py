"""Measures how long a network takes to be built, with and without random first values of its weights.

python benchmarks/speed/opening.py [ARCHITECTURE] [RUNS]
"""

import logging
import statistics
import sys
import time
from contextlib import AbstractContextManager, nullcontext

import open_clip

from fieldmark.tools.clip.unset_weights import UnsetWeights


def seconds(architecture: str, within: AbstractContextManager[object]) -> float:
    """Seconds of building it once."""
    started = time.perf_counter()
    with within:
        open_clip.create_model(architecture)
    return time.perf_counter() - started


def main() -> None:
    logging.disable(logging.WARNING)  # that these have no weights
    architecture = sys.argv[1] if len(sys.argv) > 1 else "ViT-L-14"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    drawn: list[float] = []
    left: list[float] = []
    for _ in range(runs):  # in turns, so that a busy moment of the machine meets both
        drawn.append(seconds(architecture, nullcontext()))
        left.append(seconds(architecture, UnsetWeights()))
    first, second = statistics.median(drawn), statistics.median(left)
    print(f"{architecture}: {first:.2f} s with them, {second:.2f} s without: {first / second:.1f} times")


if __name__ == "__main__":
    main()
