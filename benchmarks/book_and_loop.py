"""Measures a book that labels chose by itself, the resolve loop on it, and a loop without it.

    python benchmarks/book_and_loop.py books.jsonl --seeds 630,631 --shots 4

In every world a prompt search makes a book from a few labelled images a class, and measures it on half of the
test images, which the book takes along. The other half is then classified by the book alone, by the loop that
starts from it, by the loop on it without the half that measured it, and, as a control, by a loop that has
neither book nor labels. Each is one line of the file. Those that are there are not measured again, and their
books are used again. The intervals are over seeds: worlds of one seed share their species.
"""

import argparse
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fieldmark import Classifier, OptimizeOptions, Optimizer, PromptBook, ResolveOptions
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import Stores, open_stores
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.evals.table.sources.aviary_source import Aviary
from fieldmark.evals.table.sources.source import TrainingData, Workplace
from fieldmark.evals.worlds.conditions import CLEAR, Names, WorldConditions
from fieldmark.records import Prediction, UsageLimits
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.statistics.intervals import bootstrap_mean

NAMES: tuple[Names, ...] = ("known", "mixed", "new")
NOISE = ((0.0, 0.0), (1.0, 0.5), (2.0, 1.0))
MISTAKES = (0.15, 0.3)
Given = Literal["whole", "unjudged", "no"]
WAYS: dict[str, tuple[Given, dict[str, Any]]] = {
    "alone": ("whole", {"max_rounds": 0}),
    "loop": ("whole", {}),
    "unjudged": ("unjudged", {}),
    "without": ("no", {}),
}
"""Each way to classify: what is given of the book, and the choices of the loop."""
GRID = ("names", "image_noise", "text_noise", "mistakes")
Row = dict[str, Any]


class Half(Aviary):
    """Aviary pictures of which every second test image is there."""

    @asynccontextmanager
    async def training_data(self, work: Workplace) -> AsyncIterator[TrainingData]:
        async with super().training_data(work) as made:
            yield replace(made, images=replace(made.images, test=made.images.test[::2]))


def worlds(species: int, kinds: Sequence[Names], shares: Sequence[float]) -> Iterator[WorldConditions]:
    """The worlds: mistakes × noise × names."""
    for mistakes, (image, text), names in itertools.product(shares, NOISE, kinds):
        yield replace(
            CLEAR, species=species, names=names, image_noise=image, text_noise=text, mistakes=mistakes
        )


async def searched(conditions: WorldConditions, seed: int, shots: int, runs: Path, stores: Stores) -> str:
    """Search a book in one world; its path."""
    search = Optimizer(
        data=Half(**vars(conditions), seed=seed),
        shots=shots,
        clip=stores.encoder("aviary"),
        options=OptimizeOptions(seed=seed),
        out=runs,
        report=False,
    )
    return str(Path((await search.arun()).run) / "book.json")


async def measured(
    conditions: WorldConditions, seed: int, shots: int, way: str, book: PromptBook, runs: Path, stores: Stores
) -> Row:
    """Classify the other half of the test images of one world in one way."""
    source = Aviary(**vars(conditions), seed=seed)
    work = Workplace(
        seed=seed,
        shots=shots,
        folder=stores.aviary,
        answers=stores.answers,
        limits=UsageLimits(),
        progress=no_progress,
    )
    given, chosen = WAYS[way]
    if given == "unjudged":
        book = book.model_copy(update={"held_out": ()})
    async with source.training_data(work) as made:
        rest = made.images.test[1::2]
        classifier = Classifier(
            classes=book.classes,
            clip=weakened(stores.encoder("aviary"), made.weakness),
            llm=made.llm,
            noun=source.noun,
            book=book if given != "no" else None,
            options=ResolveOptions(**chosen),
            out=runs,
            report=False,
        )
        found = await classifier.aresolve([image.path for image in rest])
        truth = [str(image.label) for image in rest]
    return judged(found.predictions, truth)


def judged(predictions: Sequence[Prediction], truth: Sequence[str]) -> Row:
    """Top-1, what was resolved, how far confidence is off, and its expected calibration error."""
    right = np.array([p.label == true for p, true in zip(predictions, truth, strict=True)])
    resolved = np.array([p.status == "resolved" for p in predictions])
    sure = np.array([p.confidence for p in predictions])
    return {
        "top1": float(right.mean()),
        "resolved": int(resolved.sum()),
        "resolved_right": int((right & resolved).sum()),
        "bias": float(sure.mean() - right.mean()),
        "ece": reliability(sure, right, bins=10).error,
        "images": len(right),
    }


def over_seeds(rows: Sequence[Row], value: Callable[[Row], float]) -> str:
    """A mean in points with its 95% interval: seeds are drawn anew, each with all of its worlds."""
    seeds = [row["seed"] for row in rows]
    found = bootstrap_mean([100 * value(row) for row in rows], seeds)
    interval = f" ({found.low:+.1f} to {found.high:+.1f})" if len(set(seeds)) > 1 else ""
    return f"{found.value:+.1f}{interval}"


def gain(row: Row, over: str = "alone") -> float:
    """Top-1 of the loop on the book minus that of another way."""
    return row["loop"]["top1"] - row[over]["top1"]


def joined(lines: Sequence[Row]) -> list[Row]:
    """A row for each world and seed that was classified in every way; the ways by name."""
    found: dict[tuple[Any, ...], Row] = {}
    for line in lines:
        row = found.setdefault(key_of(line)[:-1], {name: line[name] for name in (*GRID, "seed")})
        row[line["way"]] = line
    return [row for row in found.values() if all(way in row for way in WAYS)]


def table(rows: Sequence[Row]) -> str:
    """The measured worlds as Markdown, means over seeds, and a line of all."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in GRID), []).append(row)
    lines = [
        "| names | noise | mistakes | book alone | loop on it | unjudged | loop without | loop − alone "
        "| loop − unjudged | worst seed | resolved | of them right | ECE |",
        "|---" * 13 + "|",
    ]
    laid = [
        (f"| {names} | {image:g} / {text:g} | {mistakes:g} |", group)
        for (names, image, text, mistakes), group in sorted(groups.items())
    ]
    for begin, group in [*laid, ("| all | | |", list(rows))]:
        means = [f"{100 * np.mean([row[way]['top1'] for row in group]):.1f}" for way in WAYS]
        resolved, right, images = (
            sum(row["loop"][of] for row in group) for of in ("resolved", "resolved_right", "images")
        )
        cells = [
            *means,
            over_seeds(group, gain),
            over_seeds(group, lambda row: gain(row, "unjudged")),
            f"{100 * min(map(gain, group)):+.1f}",
            f"{resolved / images:.0%}",
            f"{right / resolved:.1%}" if resolved else "–",
            f"{100 * np.mean([row['loop']['ece'] for row in group]):.1f}",
        ]
        lines.append(f"{begin} {' | '.join(cells)} |")
    return "\n".join(lines)


def key_of(line: Row) -> tuple[Any, ...]:
    """All that decides a line, the way last."""
    return (*(line[name] for name in vars(CLEAR)), line["seed"], line["shots"], line["way"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="")
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--species", type=int, default=12)
    parser.add_argument("--names", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--mistakes", nargs="*", type=float, default=MISTAKES)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    lines: list[Row] = []
    if given.file.exists():
        lines = [json.loads(line) for line in given.file.read_text(encoding="utf-8").splitlines()]
    done = {key_of(line): line for line in lines}
    seeds = [int(seed) for seed in given.seeds.split(",") if seed]
    with open_stores() as stores:
        for seed, conditions in itertools.product(seeds, worlds(given.species, given.names, given.mistakes)):
            base = {**vars(conditions), "seed": seed, "shots": given.shots}
            keys = {way: key_of({**base, "way": way}) for way in WAYS}
            path = next((done[key]["book"] for key in keys.values() if key in done), None)
            for way in given.ways:
                if keys[way] in done:
                    continue
                path = path or run_to_end(searched(conditions, seed, given.shots, given.runs, stores))
                book = PromptBook.model_validate_json(Path(path).read_bytes())
                result = run_to_end(measured(conditions, seed, given.shots, way, book, given.runs, stores))
                line = {**base, "way": way, "book": path, **result}
                done[keys[way]] = line
                lines.append(line)
                with given.file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{len(lines)}: {keys[way]} {line['top1']:.3f}", file=sys.stderr, flush=True)
    rows = joined(lines)
    if rows:
        print(table(rows))


if __name__ == "__main__":
    main()
