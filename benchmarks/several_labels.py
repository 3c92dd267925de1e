"""Measures several labels an image: how images are ranked, and what thresholds make of that.

    python -m benchmarks.several_labels several.jsonl --seeds 730,731

Worlds: pictures of one or two birds of 24 species (12 known by name), without and with noise on image and
text vectors, a share of the guide's answers wrong; and pictures of freely mixed birds with their marks as
classes, without, with and with much noise. A world is one line of the file; those that are there are not
measured again. Labelled images are drawn at random and are not measured on. Intervals draw seeds anew, each
with its worlds.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.book_and_loop import over_seeds
from fieldmark.app.stores import Stores, open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.evals.methods.registry import methods_named
from fieldmark.evals.metrics.multi_label import class_f1, class_precision
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.sources.aviary_settings import SETTINGS, AviaryWorld
from fieldmark.records import UsageLimits
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.scoring.multi_label import ClassOdds, best_thresholds, fit_odds, standing_out

ASKING = ("waffle", "dclip", "cupl", "ram-reweighting", "ram-tagging")
WORLDS: tuple[tuple[str, float, float, float], ...] = (
    ("together", 0.0, 0.0, 0.15),
    ("together", 1.0, 0.5, 0.25),
    ("marks", 0.0, 0.0, 0.0),
    ("marks", 1.0, 0.5, 0.0),
    ("marks", 2.0, 1.0, 0.0),
)
"""Setting, noise on images and on texts, share of wrong statements."""
LABELLED = (12, 24, 48, 96)
WAYS = ("as many by one score", "none", *map(str, LABELLED), "one for all, 48", "48 shuffled", "best")
Row = dict[str, Any]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def macro(holds: Bools, truth: Bools) -> float:
    """Mean F1 over the classes that images show."""
    return float(np.nanmean(class_f1(holds, truth)))


def f1_of_ways(scores: Floats, truth: Bools, seed: int) -> dict[str, float]:
    """Macro F1 of each way to thresholds, on images that nobody labelled."""
    drawn = np.random.default_rng(seed)
    order = drawn.permutation(len(truth))
    rest = order[max(LABELLED) :]
    z = standing_out(scores)

    def by_odds(odds: ClassOdds) -> Bools:
        p = odds.probabilities(z)
        return p >= best_thresholds(p)

    plain = by_odds(ClassOdds.uncalibrated(z.shape[1]))
    # The controls: one score for all classes, with as many labels in all; and the score that labels choose.
    cut = np.sort(scores, axis=None)[-plain.sum()]
    found = {
        "as many by one score": macro((scores >= cut)[rest], truth[rest]),
        "none": macro(plain[rest], truth[rest]),
    }
    for count in LABELLED:
        own = order[:count]
        known = np.ones((count, z.shape[1]), dtype=bool)
        found[str(count)] = macro(by_odds(fit_odds(z[own], truth[own], known))[rest], truth[rest])
        if count == 48:
            mixed = fit_odds(z[own], truth[drawn.permutation(own)], known)
            found["48 shuffled"] = macro(by_odds(mixed)[rest], truth[rest])
            cuts = np.quantile(scores, np.linspace(0, 1, 201))
            cut = cuts[np.argmax([macro(scores[own] >= each, truth[own]) for each in cuts])]
            found["one for all, 48"] = macro((scores >= cut)[rest], truth[rest])
    cuts = np.quantile(scores, np.linspace(0, 1, 201), axis=0)
    each = np.stack([class_f1(scores[rest] >= cut, truth[rest]) for cut in cuts])
    found["best"] = float(np.nanmean(each[:, truth[rest].any(0)].max(axis=0)))
    return found


async def measured(world: tuple[str, float, float, float], seed: int, stores: Stores) -> Row:
    """mAP of every method, and macro F1 of every way with the scores of "clip" and, where asked, "cupl"."""
    setting, images, texts, mistakes = world
    test, book = SETTINGS[setting](
        AviaryWorld(
            seed=seed, species=24, images=28, image_noise=images, text_noise=texts, pictures=stores.aviary
        )
    )
    encoder = weakened(stores.encoder("aviary"), test.weakness)
    truth = test.truth
    row: Row = {"seed": seed, "world": list(world), "images": len(truth), "map": {}, "f1": {}}
    guide = Guide(book, GuideSettings(mistakes=mistakes))
    with tempfile.TemporaryDirectory() as work:
        async with asked_over_http(guide, store=stores.answers, limits=UsageLimits()) as llm:
            for method in methods_named(("clip", *(ASKING if book else ()))):
                bench = EvalBench.of(
                    test, encoder=encoder, llm=llm if book else None, run=RunFolder(Path(work) / method.key)
                )
                scores = np.asarray((await method.run(bench)).scores, dtype=np.float64)
                row["map"][method.key] = float(np.nanmean(class_precision(scores, truth)))
                if method.key in ("clip", "cupl"):
                    row["f1"][method.key] = f1_of_ways(scores, truth, seed)
    return row


def table(rows: Sequence[Row]) -> str:
    """Means over seeds as Markdown: mAP of the methods, then macro F1 of the ways."""
    known = sorted({tuple(row["world"]) for row in rows}, key=list(WORLDS).index)
    groups = {f"{w[0]}, noise {w[1]:g}": [row for row in rows if tuple(row["world"]) == w] for w in known}
    lines = [
        f"| world | clip | {' | '.join(f'{m} − clip' for m in ASKING)} |",
        "|---" * (len(ASKING) + 2) + "|",
    ]
    asked = {name: some for name, some in groups.items() if name.startswith("together")}
    for name, some in [*asked.items(), ("both", [row for own in asked.values() for row in own])]:
        gains = [over_seeds(some, _gain("map", m, "clip")) for m in ASKING]
        lines.append(
            f"| {name} | {100 * np.mean([r['map']['clip'] for r in some]):.1f} | {' | '.join(gains)} |"
        )
    lines += ["", f"| scores | none | {' | '.join(f'{w} − none' for w in WAYS if w != 'none')} |"]
    lines.append("|---" * (len(WAYS) + 1) + "|")
    scored = [(f"{name}, {m}", m, some) for name, some in groups.items() for m in some[0]["f1"]]
    every = [{**row, "f1": {"all": f1}} for row in rows for f1 in row["f1"].values()]
    for name, method, some in [*scored, ("all", "all", every)]:
        own = [{"seed": row["seed"], "f1": row["f1"][method]} for row in some]
        plain = 100 * np.mean([row["f1"]["none"] for row in own])
        gains = [over_seeds(own, _gain("f1", way, "none")) for way in WAYS if way != "none"]
        lines.append(f"| {name} | {plain:.1f} | {' | '.join(gains)} |")
    return "\n".join(lines)


def _gain(figure: str, way: str, other: str) -> Callable[[Row], float]:
    return lambda row: row[figure][way] - row[figure][other]


def main() -> None:
    """Measure what is not in the file yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="730,731,732,733,734")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.file.read_text().splitlines()] if given.file.exists() else []
    done = {(row["seed"], *row["world"]) for row in rows}
    with open_stores() as stores, given.file.open("a") as file:
        for seed in map(int, given.seeds.split(",")):
            for world in WORLDS:
                if (seed, *world) not in done:
                    rows.append(asyncio.run(measured(world, seed, stores)))
                    file.write(json.dumps(rows[-1]) + "\n")
                    file.flush()
    print(table(rows))


if __name__ == "__main__":
    main()
