"""Measures what aspects do for the student of an export: its labels, and whether its reasons are true.

    python -m benchmarks.student student.jsonl --seeds 800,801

Worlds of 20 new or half-known species, 16 images each, without noise, with noise, and with more noise and
more mistakes. The loop labels the pool; the language model writes 24 aspects, the annotator (right on about
94% of what it sees) looks at 160 images. Students with and without aspects, and with the same answers
shuffled over images, label 320 other images. A world is a line of the file; those that are there are not
measured again. Intervals draw worlds anew, each with its images.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.learning import RunLesson, lesson_of
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import inductive_guide
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.app.learned.aspects import AspectModels, AspectOptions, see_aspects
from fieldmark.app.stores import Stores, open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.clauses import read_clause
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.aviary.world.conditions import holds
from fieldmark.aviary.world.pictures import NOUN
from fieldmark.cache.arrays import ArrayStore
from fieldmark.evals.worlds.conditions import CLEAR
from fieldmark.evals.worlds.draw import draw_world, weakness_of
from fieldmark.records import UsageLimits
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.learned.aspect_heads import ALPHAS, fit_aspects
from fieldmark.tools.learned.aspects import Aspect, AspectLesson
from fieldmark.tools.learned.contest import Learned, learn
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.intervals import paired_difference

SMALL = replace(CLEAR, species=20, images=16)
WORLDS = {
    "clear": SMALL,
    "noise": replace(SMALL, image_noise=1.0, text_noise=0.5, mistakes=0.3),
    "half known, more noise": replace(SMALL, names="mixed", image_noise=1.5, text_noise=1.0, mistakes=0.3),
}
ASPECTS, IMAGES, TEST = 24, 160, 16
Row = dict[str, Any]


async def measured(name: str, seed: int, stores: Stores, runs: Path, *, by: str) -> Row:
    """Rights of every student on the test images, and how often reasons are true."""
    conditions = WORLDS[name]
    world = draw_world(conditions, seed=seed, pictures=stores.aviary, labels=TEST)
    pictures = Gallery.of_folders(sorted({i.path.parents[1] for i in (*world.images, *world.labelled)}))
    guide = Guide(
        world.species,
        GuideSettings(mistakes=conditions.mistakes),
        sight=Sight(pictures, SightSettings(seed=seed)),
    )
    run = RunFolder.create(runs, kind="demo", options={})
    options = AspectOptions.model_validate({"most": ASPECTS, "images": IMAGES, "by": by})
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
        state = await run_resolve(context)
        predictions = tuple(run.read_predictions())
        lesson = lesson_of(state, predictions, context)
        seen = await see_aspects(
            lesson, predictions, world.images, world.classes, noun=NOUN, options=options,
            models=AspectModels(llm, llm, VerdictStore(stores.answers)), progress=no_progress,
        )  # fmt: skip
    tests = world.labelled
    vectors = context.encoder.encode_images(tests).vectors
    truth = torch.tensor([world.classes.index(str(image.label)) for image in tests])
    order = torch.randperm(len(world.images), generator=torch.Generator().manual_seed(seed))
    mixed = replace(seen.lesson, p=seen.lesson.p[order], known=seen.lesson.known[order])
    made = {
        "without": _learned(lesson, context, None),
        "chosen": _learned(lesson, context, seen.lesson),
        "shuffled": _learned(lesson, context, mixed),
    }
    rights = {key: _right(_scores(each, vectors), truth) for key, each in made.items()}
    decay = made["without"].decay
    for alpha in ALPHAS[1:]:
        for key, own in ((f"alpha {alpha:g}", seen.lesson), (f"alpha {alpha:g}, shuffled", mixed)):
            student = fit_aspects(lesson.pool, own, decay=decay, alpha=alpha)
            rights[key] = _right(student.scores(vectors), truth)
    true = _true_of(seen.lesson.aspects, tests, pictures)
    return {
        "world": name,
        "seed": seed,
        "by": by,
        "aspects": len(seen.lesson.aspects),
        "calibrated": seen.calibrated.labels,
        "alpha": {key: _alpha(each) for key, each in made.items() if key != "without"},
        "pool": float((lesson.pool.target.argmax(1) == _labels(world.images, world.classes)).float().mean()),
        "rights": rights,
        "reasons": {
            "student": _agreement(_seen(made["chosen"], vectors), true),
            "shuffled": _agreement(_seen(made["shuffled"], vectors), true),
            "usual": _usual(seen.lesson, true),
            "annotator": _of_annotator(seen.lesson, _true_of(seen.lesson.aspects, world.images, pictures)),
        },
    }


def _learned(lesson: RunLesson, context: ResolveContext, aspects: AspectLesson | None) -> Learned:
    def guide(pool: Tensor) -> Any:
        reference = context.encoder.reference
        return inductive_guide(lesson.guide, pool if reference is None else reference, context)

    return learn(lesson.pool, guide, reject=context.options.reject, aspects=aspects)


def _scores(learned: Learned, vectors: Tensor) -> Tensor:
    scores = learned.student.scores(vectors)
    if learned.aspects is not None and learned.aspects.trial.alpha:
        scores = scores + learned.aspects.heads.scores(vectors)
    return scores


def _alpha(learned: Learned) -> float:
    return 0.0 if learned.aspects is None else learned.aspects.trial.alpha


def _seen(learned: Learned, vectors: Tensor) -> Tensor:
    if learned.aspects is None:
        raise RuntimeError("there are no aspects")
    return learned.aspects.heads.probabilities(vectors) >= 0.5


def _labels(images: Sequence[ImageFile], classes: Sequence[str]) -> Tensor:
    return torch.tensor([classes.index(str(image.label)) for image in images])


def _right(scores: Tensor, truth: Tensor) -> list[int]:
    return (scores.argmax(1) == truth).int().tolist()


def _true_of(aspects: Sequence[Aspect], images: Sequence[ImageFile], pictures: Gallery) -> Tensor:
    """Whether each aspect is true of each image, by what was drawn [N, A] bool."""
    read = [read_clause(each.text).condition for each in aspects]
    facts = [pictures.look(image.path.read_bytes()) for image in images]
    return torch.tensor(
        [[bool(fact and each is not None and holds(each, fact.values)) for each in read] for fact in facts]
    )


def _agreement(seen: Tensor, true: Tensor) -> float:
    return float((seen == true).float().mean())


def _usual(lesson: AspectLesson, true: Tensor) -> float:
    middle = (lesson.p * lesson.known).sum(0) / lesson.known.sum(0)
    return _agreement((middle >= 0.5).expand_as(true), true)


def _of_annotator(lesson: AspectLesson, true: Tensor) -> float:
    known = lesson.known > 0
    return float(((lesson.p >= 0.5) == true)[known].float().mean())


def table(rows: Sequence[Row]) -> str:
    """Means and paired differences as Markdown, in points."""
    ways = [key for key in rows[0]["rights"] if key != "without"]
    lines = [f"| world | pool | without | {' | '.join(f'{way} − without' for way in ways)} |"]
    lines.append("|---" * (len(ways) + 3) + "|")
    groups = {name: [row for row in rows if row["world"] == name] for name in WORLDS}
    for name, own in [*groups.items(), ("all", list(rows))]:
        if not own:
            continue
        place = np.repeat(np.arange(len(own)), [len(row["rights"]["without"]) for row in own])
        base = np.concatenate([row["rights"]["without"] for row in own]).astype(float)
        cells = [f"{100 * np.mean([row['pool'] for row in own]):.1f}", f"{100 * base.mean():.1f}"]
        for way in ways:
            with_it = np.concatenate([row["rights"][way] for row in own]).astype(float)
            gap = paired_difference(with_it, base, place)
            low, high = (100 * each for each in gap.ci95)
            cells.append(f"{100 * gap.value:+.1f} ({low:+.1f} to {high:+.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| world | student | shuffled | usual answer | annotator | weights chosen | shuffled |"]
    lines.append("|---" * 7 + "|")
    for name, own in [*groups.items(), ("all", list(rows))]:
        if not own:
            continue
        true = [
            f"{100 * np.mean([row['reasons'][key] for row in own]):.1f}"
            for key in ("student", "shuffled", "usual", "annotator")
        ]
        alphas = [", ".join(f"{row['alpha'][key]:g}" for row in own) for key in ("chosen", "shuffled")]
        lines.append(f"| {name} | {' | '.join([*true, *alphas])} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is not in the file yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="800,801,802,803,804")
    parser.add_argument("--by", choices=("model", "guide"), default="model")
    given = parser.parse_args()
    lines = given.file.read_text().splitlines() if given.file.exists() else []
    rows = [row for row in map(json.loads, lines) if row["by"] == given.by]
    done = {(row["seed"], row["world"]) for row in rows}
    with open_stores() as stores, TemporaryDirectory() as runs, given.file.open("a") as file:
        for seed in map(int, given.seeds.split(",")):
            for name in WORLDS:
                if (seed, name) not in done:
                    rows.append(asyncio.run(measured(name, seed, stores, Path(runs), by=given.by)))
                    file.write(json.dumps(rows[-1]) + "\n")
                    file.flush()
    print(table(rows))


if __name__ == "__main__":
    main()
