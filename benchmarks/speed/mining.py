"""Seconds and memory of mining 100,000 vectors: search, near-duplicates, a diverse choice, groups.

python benchmarks/speed/mining.py --size 100000 --width 512
"""

import argparse
import resource
import time
from pathlib import Path

import torch

from fieldmark.tools.concepts.mining import distinct_rows, diverse_rows, groups_by_meaning
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.concepts.stratified_sample import draw_stratified
from fieldmark.tools.images.files import ImageFile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--hits", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(given.size, given.width, generator=made), dim=1)
    pool = ImagePool(tuple(ImageFile(Path(f"{n}.jpg"), f"{n:064x}") for n in range(given.size)), vectors)
    queries = torch.randn(given.queries, given.width, generator=made)
    texts = torch.nn.functional.normalize(torch.randn(200, given.width, generator=made), dim=1)

    def mine() -> None:
        hits = pool.search(queries, given.hits, without=range(100))
        rows = hits.rows.flatten().unique()
        kept = rows[distinct_rows(pool.vectors[rows])]
        diverse_rows(pool.vectors[kept], 200)

    tasks = {
        "mine (search, near-duplicates, diverse choice)": mine,
        "choose 200 of the whole pool": lambda: diverse_rows(pool.vectors, 200),
        "group 200 texts": lambda: groups_by_meaning(texts),
        "draw a blind test": lambda: draw_stratified(pool.vectors @ queries[0], 100, seed=0),
    }
    for name, task in tasks.items():
        task()
        seconds = []
        for _ in range(given.turns):
            begun = time.perf_counter()
            task()
            seconds.append(time.perf_counter() - begun)
        print(f"{name}: {sorted(seconds)[len(seconds) // 2]:.3f} s (median of {given.turns})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 1024:.0f} MB, of them {base / 1024:.0f} MB before the pool was made")


if __name__ == "__main__":
    main()
