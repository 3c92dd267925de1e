"""What `fieldmark plan` says beforehand beside what a classification of drawn birds then takes.

    python -m benchmarks.large.planned 1000x20 5000x40 8000x80

Each size runs in a process of its own, with an empty home: the images are encoded, then classified with the
scripted guide, and classified again with everything kept, so that encoding, asking and scoring are apart. It
measures and asserts nothing. Seconds are of processor time: other work on the machine does not count.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fieldmark import Classifier
from fieldmark.app.planning.plan import PlanOptions, make_plan, width_of
from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from fieldmark.tools.images.files import find_images

SEED = 500


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Clock:
    """Seconds of processor time and of wall time since it was made."""

    def __init__(self) -> None:
        self._began = time.process_time(), time.perf_counter()

    def told(self, what: str) -> dict[str, float]:
        return {
            f"{what}_s": round(time.process_time() - self._began[0], 2),
            f"{what}_wall_s": round(time.perf_counter() - self._began[1], 2),
        }


async def real(place: Path, images: int, classes: int) -> dict[str, Any]:
    """Draw a world and classify it; what that took."""
    home, folder = place / "home", place / "birds"
    book = species_book(SEED, new=classes * 3 // 4, known=classes - classes * 3 // 4)
    render_dataset(folder, book, images_per_species=images // classes, seed=SEED)
    found: dict[str, Any] = {"images": images, "classes": classes}
    with open_stores(home) as stores:
        listed = find_images(folder)
        encoder = stores.encoder("aviary")
        encoder._loaded()
        found["base_bytes"] = peak()
        clock = Clock()
        encoder.encode_images(listed.images)
        found |= clock.told("encode")
        names = sorted(each.name for each in book)
        async with asked_over_http(Guide(book), store=stores.answers) as llm:
            for turn in ("first", "again"):
                classifier = Classifier(
                    classes=names, clip="aviary", llm=llm, noun="bird", home=home, out=place / "runs"
                )
                clock = Clock()
                done = await classifier.aresolve(folder)
                found |= clock.told(turn)
                if turn == "first":
                    usage, encoded = done.manifest.usage, done.manifest.encoder_usage
                    found |= {
                        "asked": usage.requests,
                        "prompt_tokens": usage.prompt_tokens,
                        "completion_tokens": usage.completion_tokens,
                        "texts": encoded.distinct_texts,
                        "run_bytes": bytes_in(done.run),
                    }
    places = {"vector_bytes": home / "vectors", "answer_bytes": home / "answers"}
    return found | {what: bytes_in(folder) for what, folder in places.items()} | {"peak_bytes": peak()}


def beside(found: dict[str, Any]) -> str:
    """Planned and real, and their ratio, as rows of a table."""
    made = make_plan(
        PlanOptions(
            images=found["images"], classes=found["classes"], clip="aviary", width=width_of("aviary"), cores=1
        )
    )
    real = {
        "encoding": found["encode_s"],
        "scoring": found["again_s"],
        "questions": found["asked"],
        "tokens": found["prompt_tokens"] + found["completion_tokens"],
        "vectors on disk": found["vector_bytes"],
        "answers on disk": found["answer_bytes"],
        "run on disk": found["run_bytes"],
        "memory at the peak": found["peak_bytes"],
    }
    lines = [f"{found['images']:,} images, {found['classes']} classes: planned, real, planned / real"]
    for part, value in real.items():
        planned = made.part(part).amount or 0.0
        lines.append(f"| {part} | {planned:,.4g} | {value:,.4g} | {planned / value:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="+", help="IMAGESxCLASSES")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for size in given.sizes:
        if not given.alone:
            command = [sys.executable, "-m", "benchmarks.large.planned", size, "--alone"]
            subprocess.run(command, check=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
            continue
        images, classes = map(int, size.split("x"))
        with TemporaryDirectory() as place:
            found = asyncio.run(real(Path(place), images, classes))
        print(json.dumps(found), beside(found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
