"""Measures what following the advice costs: how far the advised way lies behind the best on new images.

    python -m benchmarks.advice advice.jsonl --seeds 720,721

Worlds of 10 species and 64 images a species, names × noise, a quarter of the guide's answers wrong. The
advice is made from half of the images; every way is then measured on the other half, with the labels of the
first. Beside the advice stand fixed choices. A world is one line of the file; those that
are there are not measured again. Intervals draw seeds anew, each with its worlds.
"""

import argparse
import csv
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.beside_pixels import NAMES, NOISE
from benchmarks.book_and_loop import over_seeds
from fieldmark.app.advice.advice import Advice
from fieldmark.app.advice.adviser import Adviser
from fieldmark.app.evaluate.inputs import OwnData
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import Stores, open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.pictures import NOUN
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.test_set import TestSet
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.evals.worlds.draw import draw_world, weakness_of
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.images.files import ImageFile

SPECIES, IMAGES = 10, 64
WAYS = ("names", "answers", "labels 1", "labels 4", "labels 16")
CHOICES = ("advised", *WAYS)
Row = dict[str, Any]


@dataclass(kw_only=True)
class OnNewImages(Adviser):
    """The same ways, with the same labels, on other images."""

    new: tuple[ImageFile, ...] = ()

    def _own_test_set(self, own: OwnData, stores: Stores) -> TestSet:
        return replace(super()._own_test_set(own, stores), images=self.new)


def named(advice: Advice) -> dict[str, float]:
    """Top-1 of each way, by its name here."""
    return {f"labels {way.shots}" if way.means == "labels" else way.means: way.top1 for way in advice.ways}


def written(images: Sequence[ImageFile], out: Path) -> Path:
    """A list of labelled images as a file."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "old.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *((image.path, image.label) for image in images)])
    return path


async def measured(conditions: WorldConditions, seed: int, stores: Stores, out: Path) -> Row:
    """What came of the advice in one world."""
    world = draw_world(conditions, seed=seed, pictures=stores.aviary)
    guide = Guide(world.species, GuideSettings(mistakes=conditions.mistakes))
    async with asked_over_http(guide, store=stores.answers) as llm:
        given: Row = {
            "data": written(world.images[::2], out),
            "options": EvalOptions(seed=seed),
            "noun": NOUN,
            "clip": weakened(stores.encoder("aviary"), weakness_of(conditions, seed)),
            "llm": llm,
            "home": stores.home,
            "out": out,
        }
        advice = await Adviser(**given).aadvise()
        new = named(await OnNewImages(**given, new=world.images[1::2]).aadvise())
    chosen = list(named(advice))[advice.ways.index(advice.chosen)]
    return {"chosen": chosen, "old": named(advice), "new": new | {"advised": new[chosen]}}


def behind(row: Row, choice: str) -> float:
    """Top-1 of the best way on new images, minus that of a choice."""
    return max(top1 for name, top1 in row["new"].items() if name in WAYS) - row["new"][choice]


def table(rows: Sequence[Row]) -> str:
    """Points behind the best way on new images, and what was advised."""
    lines = ["| choice | points behind the best | worst world |", "|---|---|---|"]
    for choice in CHOICES:
        some = [row for row in rows if choice in row["new"]]
        if some:
            mean = over_seeds(some, lambda row, choice=choice: behind(row, choice))
            worst = max(100 * behind(row, choice) for row in some)
            lines.append(f"| {choice} | {mean} | {worst:.1f} |")
    chosen = Counter(row["chosen"] for row in rows)
    return "\n".join([*lines, "", ", ".join(f"{name}: {count}" for name, count in chosen.items())])


def main() -> None:
    """Measure the worlds that the file lacks, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="720,721")
    given = parser.parse_args()
    text = given.file.read_text(encoding="utf-8") if given.file.exists() else ""
    rows: list[Row] = [json.loads(line) for line in text.splitlines()]
    seeds = [int(seed) for seed in given.seeds.split(",") if seed]
    with open_stores() as stores:
        for seed, names, (image, words) in itertools.product(seeds, NAMES, NOISE):
            key: Row = {"seed": seed, "names": names, "noise": image}
            if any(key.items() <= row.items() for row in rows):
                continue
            conditions = WorldConditions(
                names=names, species=SPECIES, images=IMAGES, image_noise=image, text_noise=words,
                mistakes=0.25,
            )  # fmt: skip
            out = given.file.parent / "advice-runs" / f"{seed}-{names}-{image:g}"
            rows.append(key | run_to_end(measured(conditions, seed, stores, out)))
            with given.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
