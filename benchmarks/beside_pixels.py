"""Measures what a prior and groups add to the loop, and how much wrong ones harm.

    python -m benchmarks.beside_pixels beside.jsonl --seeds 710,711

Worlds of 30 species and 12 images a species, names × noise, a quarter of the guide's answers wrong. Of the
images of a species 60% are in its habitat (the others anywhere); three pictures in a row are of one bird.
Each world is classified once; then its evidence is weighed anew in each way, with the same answers. A world
is one line of the file; those that are there are not measured again. Intervals draw seeds anew, each with
its worlds.
"""

import argparse
import copy
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.book_and_loop import over_seeds
from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.evidence import weighed
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import ScoredTable, undescribed_classes
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.agents.resolve.sure import classes_left
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import Stores, open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.pictures import NOUN
from fieldmark.cache.arrays import ArrayStore
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.evals.worlds.conditions import Names, WorldConditions
from fieldmark.evals.worlds.draw import DrawnWorld, draw_world, weakness_of
from fieldmark.records import UsageLimits
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.scoring.candidates import Margin

NAMES: tuple[Names, ...] = ("known", "mixed", "new")
NOISE = ((0.0, 0.0), (1.0, 0.5), (2.0, 1.0))
WAYS = ("prior", "groups", "both", "shuffled", "half", "random", "part")
"""What is told: the prior, the groups, both; a prior shuffled over images, or over half of them; groups at
random, or a fifth of them."""
Row = dict[str, Any]


def told(world: DrawnWorld, seed: int) -> dict[str, tuple[Mapping[str, Any], Mapping[str, str]]]:
    """The prior and the groups of each way."""
    prior, groups = dict(world.prior), dict(world.groups)

    def mixed(values: dict[str, Any], which: Sequence[str], draw: int) -> dict[str, Any]:
        moved = [values[key] for key in which]
        random.Random(seed + draw).shuffle(moved)
        return values | dict(zip(which, moved, strict=True))

    half = random.Random(seed + 2).sample(sorted(prior), len(prior) // 2)
    names = sorted(set(groups.values()))
    fifth = set(random.Random(seed + 3).sample(names, len(names) // 5))
    return {
        "alone": ({}, {}),
        "prior": (prior, {}),
        "groups": ({}, groups),
        "both": (prior, groups),
        "shuffled": (mixed(prior, list(prior), 0), {}),
        "half": (mixed(prior, half, 0), {}),
        "random": ({}, mixed(groups, list(groups), 1)),
        "part": ({}, mixed(groups, [key for key in groups if groups[key] in fifth], 4)),
    }


async def classified(conditions: WorldConditions, seed: int, stores: Stores, runs: Path) -> tuple[Any, ...]:
    """A world, the context of a run on it that was told nothing, and the hash of its answers."""
    world = draw_world(conditions, seed=seed, pictures=stores.aviary)
    run = RunFolder.create(runs, kind="demo", options={})
    guide = Guide(world.species, GuideSettings(mistakes=conditions.mistakes))
    async with asked_over_http(guide, store=stores.answers, limits=UsageLimits()) as llm:
        context = ResolveContext(
            classes=world.classes,
            images=world.images,
            encoder=weakened(stores.encoder("aviary"), weakness_of(conditions, seed)),
            llm=llm,
            arrays=ArrayStore(run.path / "arrays"),
            run=run,
            options=ResolveOptions(noun=NOUN),
        )
        return world, context, (await run_resolve(context)).notebook


def scored(world: DrawnWorld, context: ResolveContext, notebook: str) -> Row:
    """What the evidence makes of the images."""
    found = weighed(notebook, context)
    evidence, shares = found.evidence, found.evidence.log_p.exp()
    table = ScoredTable(found.guide, found.table) if found.guide and found.table else None
    kept = Margin(tau=context.options.tau, k=len(world.classes))(shares, shares >= 0)
    left = classes_left(found, kept, undescribed_classes(table) if table else None, context.options)
    truth = np.array([world.classes.index(str(image.label)) for image in world.images])
    right = shares.argmax(1).numpy() == truth
    resolved = (left.sum(1) == 1).numpy()
    return {
        "top1": float(right.mean()),
        "images": len(right),
        "resolved": int(resolved.sum()),
        "resolved_right": int((right & resolved).sum()),
        "ece": reliability(evidence.sureness.confidence.tolist(), right, bins=10).error,
        "trust": evidence.prior_trust,
        "repeated": evidence.bursts.dependence if evidence.bursts else None,
    }


def gain(row: Row, way: str) -> float:
    """Top-1 of the loop that was told something, minus that of the loop that was told nothing."""
    return row[way]["top1"] - row["alone"]["top1"]


def table(rows: Sequence[Row]) -> str:
    """Means over seeds as Markdown: points by world, then what being resolved and sure means."""
    lines = [f"| names, noise | alone | {' | '.join(WAYS)} |", "|---" * (len(WAYS) + 2) + "|"]
    groups = {
        f"{names}, {noise:g}": [row for row in rows if (row["names"], row["noise"]) == (names, noise)]
        for names, (noise, _) in itertools.product(NAMES, NOISE)
    }
    for name, some in [*groups.items(), ("all", list(rows))]:
        if some:
            alone = 100 * np.mean([row["alone"]["top1"] for row in some])
            gains = [over_seeds(some, lambda row, way=way: gain(row, way)) for way in WAYS]
            lines.append(f"| {name} | {alone:.1f} | {' | '.join(gains)} |")
    lines += ["", "| told | resolved | of them right | ECE | worst world |", "|---" * 5 + "|"]
    for way in ("alone", *WAYS):
        sums = {of: sum(row[way][of] for row in rows) for of in ("images", "resolved", "resolved_right")}
        worst = min(gain(row, way) for row in rows)
        lines.append(
            f"| {way} | {sums['resolved'] / sums['images']:.1%} "
            f"| {sums['resolved_right'] / max(1, sums['resolved']):.1%} "
            f"| {100 * np.mean([row[way]['ece'] for row in rows]):.1f} | {100 * worst:+.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="")
    parser.add_argument("--species", type=int, default=30)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    text = given.file.read_text(encoding="utf-8") if given.file.exists() else ""
    rows: list[Row] = [json.loads(line) for line in text.splitlines()]
    done = {(row["seed"], row["names"], row["noise"]) for row in rows}
    seeds = [int(seed) for seed in given.seeds.split(",") if seed]
    with open_stores() as stores:
        for seed, names, (image, words) in itertools.product(seeds, NAMES, NOISE):
            if (seed, names, image) in done:
                continue
            conditions = WorldConditions(
                names=names, species=given.species, images=given.images, image_noise=image,
                text_noise=words, mistakes=0.25, habitats=0.6, burst=3,
            )  # fmt: skip
            world, context, notebook = run_to_end(classified(conditions, seed, stores, given.runs))
            row: Row = {"seed": seed, "names": names, "noise": image}
            for way, (prior, groups) in told(world, seed).items():
                other = copy.copy(context)
                other.prior, other.groups, other.memo = prior, groups, {}
                row[way] = scored(world, other, notebook)
            rows.append(row)
            with given.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    if rows:
        print(table(rows))


if __name__ == "__main__":
    main()
