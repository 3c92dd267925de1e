"""Maps where the resolve loop helps and where it harms: the whole ladder for names × noise × mistakes.

    python benchmarks/robustness_map.py map.jsonl --seeds 520,521 --rules evidence,table
    python benchmarks/robustness_map.py map.jsonl --edges
    python benchmarks/robustness_map.py asked.jsonl --seeds 522 --ask-labels 20
    python benchmarks/robustness_map.py map.jsonl --page docs/robustness.md

Every world is one line of the file; those that are there are not measured again. The edges are worlds that
lack something the loop counts on. With --ask-labels the images that each run asks about get their true
labels, and the run is scored anew with them, as `fieldmark label` does; the columns are over the images that
were not labelled, before and after. With the page named, nothing is measured: the tables between its two
comments are written anew, and a heat map, robustness-map.svg, beside it.
"""

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import open_stores
from fieldmark.cache.arrays import ArrayStore
from fieldmark.evals.demo.demo import DemoSettings, run_demo
from fieldmark.evals.demo.ladder import Climb
from fieldmark.evals.demo.results import DemoResult
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.evals.worlds.conditions import CLEAR, Names, WorldConditions
from fieldmark.evals.worlds.draw import weakness_of
from fieldmark.tools.clip.clip import Encoder
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_ask
from fieldmark.tools.scoring.evidence.labels import NONE_OF_THESE

NAMES: tuple[Names, ...] = ("known", "mixed", "new")
NOISE = ((0.0, 0.0), (1.0, 0.5), (1.5, 1.0), (2.0, 1.0))
MISTAKES = (0.15, 0.3, 0.4)
BEGIN, END = "<!-- map: begin -->", "<!-- map: end -->"
MAP = "robustness-map.svg"
SIMPLER = ("names", "templates", "descriptors", "descriptors_more", "fudd", "everything")
GRID = ("names", "image_noise", "text_noise", "mistakes")
"""Conditions that the grid varies; the edges vary others."""
Row = dict[str, Any]


def grid(noises: Sequence[tuple[float, float]] = NOISE) -> Iterator[WorldConditions]:
    """The grid, easy questions first: a map that is stopped early is spread out."""
    for mistakes, (image, text), names in itertools.product(MISTAKES, noises, NAMES):
        yield replace(CLEAR, names=names, image_noise=image, text_noise=text, mistakes=mistakes)


def edges() -> Iterator[WorldConditions]:
    """Worlds that lack something the loop counts on."""
    yield replace(CLEAR, present=0.1)
    yield replace(CLEAR, present=0.25)
    yield replace(CLEAR, images=4)
    yield replace(CLEAR, blind=4)
    yield replace(CLEAR, blind=8)
    yield replace(CLEAR, species=2)
    yield replace(CLEAR, species=500)
    yield replace(CLEAR, unlisted=0.25, strangers=50)
    for conditions in grid(NOISE[len(NOISE) // 2 :]):
        yield replace(conditions, unlisted=0.1)


def read(line: str) -> Row:
    """A line of the file; one from before a condition was known has that of the clear world."""
    row: Row = json.loads(line)
    if "images_scored" not in row:  # it was called images, which is now a condition
        row |= {"images_scored": row["images"], "images": CLEAR.images}
    return {**vars(CLEAR), **row}


def key_of(row: Row) -> tuple[Any, ...]:
    """All that decides a line."""
    return (*(row[name] for name in vars(CLEAR)), row["rule"], row["seed"])


def measured(conditions: WorldConditions, rule: str, seed: int, runs: Path, *, asked: int = 0) -> Row:
    """Climb the ladder in one world, and label so many images that the run asks about."""
    options = ResolveOptions.model_validate({"rule": rule, "ask_labels": asked})
    with open_stores() as stores:
        encoder = stores.encoder("aviary")
        result: DemoResult
        climbs: list[Climb]
        result, climbs = run_to_end(
            run_demo(
                DemoSettings(seed=seed, conditions=conditions, options=options),
                encoder=encoder,
                answers=stores.answers,
                pictures=stores.aviary,
                run=RunFolder.create(runs, kind="demo", options={}),
                progress=no_progress,
            )
        )
        seen = weakened(encoder, weakness_of(conditions, seed))
        labelled = {"asked": asked_labels(climbs[0], options, seen)} if asked else {}
    top1 = {rung.name: rung.top1 for rung in result.ladder}
    return {
        **vars(conditions),
        "rule": rule,
        "seed": seed,
        "top1": top1,
        "best_simpler": max(top1[name] for name in SIMPLER),
        "images_scored": result.images,
        "resolved": result.resolved.count,
        "resolved_top1": result.resolved.top1,
        "questions": result.questions["resolve"],
        "open_set": result.open_set.model_dump(mode="json"),
        "calibration": result.calibration.model_dump(mode="json"),
        **labelled,
    }


def asked_labels(climb: Climb, options: ResolveOptions, encoder: Encoder) -> Row | None:
    """Answer what a run asks by the truth, score it anew, and compare the listed images that got no label.

    Args:
        climb: The ladder, whose run has ended.
        options: Of the run.
        encoder: What it saw with.

    Returns:
        How many labels there were; before and after them top-1, ECE, and how many are resolved and how many
        of these rightly. None where the run asked nothing.
    """
    world = climb.world
    truth = {image.content_hash: image.label for image in world.images}
    answers = {ask.image_hash: truth[ask.image_hash] for ask in read_ask(climb.run)}
    if not answers:
        return None
    number = {name: place for place, name in enumerate(world.classes)}
    context = ResolveContext(
        classes=world.classes,
        images=world.images,
        encoder=encoder,
        llm=None,
        arrays=ArrayStore(climb.run.path / "arrays"),
        run=climb.run,
        options=options.model_copy(update={"noun": world.noun}),
        labels={key: number.get(label or "", NONE_OF_THESE) for key, label in answers.items()},
    )
    run_to_end(run_resolve(context))
    after = tuple(climb.run.read_predictions())
    others = world.listed & np.array([image.content_hash not in answers for image in world.images])
    found: Row = {"labels": len(answers), "images": int(others.sum())}
    for when, predictions in (("before", climb.predictions), ("after", after)):
        kept = [p for p, other in zip(predictions, others, strict=True) if other]
        right = np.array([p.label == p.truth for p in kept])
        resolved = np.array([p.status == "resolved" for p in kept])
        error = reliability([p.confidence for p in kept], right, bins=10).error
        found[when] = {
            "top1": round(float(right.mean()), 4),
            "ece": round(error, 4),
            "resolved": int(resolved.sum()),
            "resolved_right": int(right[resolved].sum()),
        }
    return found


def difference(rows: Sequence[Row]) -> float:
    """Top-1 of the loop minus that of the best simpler rung, mean over seeds."""
    return statistics.mean(row["top1"]["resolve"] - row["best_simpler"] for row in rows)


def on_grid(row: Row) -> bool:
    """Whether a line belongs to the grid, not to the edges."""
    return all(row[name] == value for name, value in vars(CLEAR).items() if name not in GRID)


def grouped(rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Lines that differ in their seed alone."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row)[:-1], []).append(row)
    return dict(sorted(groups.items()))


def tables(rows: Sequence[Row]) -> str:
    """The measured worlds as Markdown, means over seeds: the grid, then the edges."""
    parts: list[str] = []
    for edge in (False, True):
        chosen = [row for row in rows if on_grid(row) != edge]
        if chosen:
            parts.append(table(chosen, edge=edge))
    return "\n\n".join(parts)


def table(rows: Sequence[Row], *, edge: bool) -> str:
    """One table, with a line of means for each rule at the end of the grid."""
    first, last = ("| what is lacking ", " of no class: AUROC |") if edge else ("", "")
    if asked := [row["asked"] for row in rows if row.get("asked")]:
        count = "/".join(str(count) for count in sorted({each["labels"] for each in asked}))
        last += f" with {count} asked labels | ECE then | resolved | of them right |"
    lines = [
        f"{first}| names | noise | mistakes | rule | best simpler rung | resolve | difference | resolved "
        f"| of them right | ECE | questions |{last}",
        f"{'|---' * (12 if edge else 11)}|{'---|' * last.count('|')}",
    ]
    for group in grouped(rows).values():
        row = group[0]
        begin = f"| {lacking(row)} " if edge else ""
        line = (
            f"{begin}| {row['names']} | {row['image_noise']:g} / {row['text_noise']:g} | {row['mistakes']:g} "
        )
        lines.append(f"{line}| {row['rule']} | {_means(group)} |{f' {_auroc(group)} |' if edge else ''}")
        lines[-1] += _after_labels(group) if asked else ""
    if not edge:
        for rule in sorted({row["rule"] for row in rows}):
            every = [row for row in rows if row["rule"] == rule]
            lines.append(f"| all | | | {rule} | {_means(every)} |{_after_labels(every) if asked else ''}")
    return "\n".join(lines)


def lacking(row: Row) -> str:
    """What an edge lacks, in words."""
    words = {
        "present": "{:.0%} of the classes present",
        "images": "{} images a class",
        "blind": "{} attributes unseen",
        "species": "{} classes",
        "unlisted": "{:.0%} of the species unlisted",
        "strangers": "{} strangers",
    }
    return ", ".join(said.format(row[name]) for name, said in words.items() if row[name] != vars(CLEAR)[name])


def _means(rows: Sequence[Row]) -> str:
    best = statistics.mean(row["best_simpler"] for row in rows)
    resolve = statistics.mean(row["top1"]["resolve"] for row in rows)
    resolved = sum(row["resolved"] for row in rows)
    right = sum((row["resolved_top1"] or 0) * row["resolved"] for row in rows)
    asked = statistics.mean(row["questions"] for row in rows)
    error = statistics.mean(row["calibration"]["ece"] for row in rows)
    share = resolved / sum(row["images_scored"] for row in rows)
    return (
        f"{100 * best:.1f} | {100 * resolve:.1f} | {100 * (resolve - best):+.1f} | {100 * share:.0f}% | "
        f"{f'{100 * right / resolved:.1f}%' if resolved else '–'} | {100 * error:.1f} | {asked:,.0f}"
    )


def _after_labels(rows: Sequence[Row]) -> str:
    """The columns about the images that got no label, once others had one."""
    found = [row["asked"] for row in rows if row.get("asked")]
    if not found:
        return " – | – | – | – |"
    before, after, error = (
        100 * statistics.mean(each[when][what] for each in found)
        for when, what in (("before", "top1"), ("after", "top1"), ("after", "ece"))
    )
    resolved, right = (sum(each["after"][what] for each in found) for what in ("resolved", "resolved_right"))
    share = resolved / sum(each["images"] for each in found)
    said = f"{100 * right / resolved:.1f}%" if resolved else "–"
    return f" {before:.1f} → {after:.1f} | {error:.1f} | {100 * share:.0f}% | {said} |"


def _auroc(rows: Sequence[Row]) -> str:
    """AUROC of unlisted images and of strangers, and how many of them were resolved, where there are some."""
    said: list[str] = []
    for kind in ("unlisted", "strangers"):
        sets = [row["open_set"] for row in rows if row["open_set"][f"auroc_{kind}"] is not None]
        if sets:
            auroc = statistics.mean(each[f"auroc_{kind}"] for each in sets)
            became = [sum(each[kind][state] for each in sets) for state in ("resolved", "open", "rejected")]
            said.append(f"{kind} {auroc:.2f}, {became[0] / max(1, sum(became)):.0%} resolved")
    return "; ".join(said) or "–"


def heat_map(rows: Sequence[Row]) -> str:
    """The grid as SVG, 400 wide: rows names × mistakes, columns noise, a map for each rule.

    The number and the colour of a cell are the points by which the loop is better than the best simpler rung:
    blue where it helps, red where it harms, in full from 25 points.
    """
    left, wide, high, top = 116, 70, 26, 44
    parts: list[str] = []
    y = 0
    for rule in sorted({row["rule"] for row in rows}):
        chosen = [row for row in rows if row["rule"] == rule and on_grid(row)]
        noises = sorted({(row["image_noise"], row["text_noise"]) for row in chosen})
        sides = [
            side
            for side in itertools.product(NAMES, sorted({row["mistakes"] for row in chosen}))
            if any((row["names"], row["mistakes"]) == side for row in chosen)
        ]
        parts.append(_text(4, y + 16, f"rule {rule}: points over the best simpler rung", bold=True))
        parts += [
            _text(left + (place + 0.5) * wide, y + 36, f"{image:g} / {text:g}", middle=True)
            for place, (image, text) in enumerate(noises)
        ]
        parts.append(_text(4, y + 36, "names, mistakes"))
        for line, (names, mistakes) in enumerate(sides):
            at = y + top + line * high
            parts.append(_text(4, at + 18, f"{names}, {mistakes:.0%}"))
            for place, noise in enumerate(noises):
                cell = [
                    row
                    for row in chosen
                    if (row["names"], row["mistakes"]) == (names, mistakes)
                    and (row["image_noise"], row["text_noise"]) == noise
                ]
                if cell:
                    points = 100 * difference(cell)
                    parts.append(
                        f'<rect x="{left + place * wide}" y="{at}" width="{wide - 2}" height="{high - 2}" '
                        f'rx="3" fill="{_colour(points)}"/>'
                    )
                    parts.append(_text(left + (place + 0.5) * wide, at + 17, f"{points:+.1f}", middle=True))
        y += top + len(sides) * high + 8
    title = "Points that the loop gains over the best simpler rung, by names, mistakes and noise"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 {y}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{title}</title>\n'
        f'<rect width="400" height="{y}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, *, bold: bool = False, middle: bool = False) -> str:
    style = (' font-weight="bold"' if bold else "") + (' text-anchor="middle"' if middle else "")
    return f'<text x="{x:g}" y="{y:g}" fill="#1a1a1a"{style}>{words}</text>'


def _colour(points: float) -> str:
    """White at 0, towards blue above it and towards red below; pale enough for dark numbers."""
    share = min(abs(points) / 25, 1.0)
    full = (120, 170, 230) if points > 0 else (240, 130, 110)
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02x}" for channel in full)


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Write the tables into the page, and the heat map beside it."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    shown = ""
    if any(on_grid(row) for row in rows):
        (page.parent / MAP).write_text(heat_map(rows), encoding="utf-8")
        shown = f"![Points that the loop gains, by names, mistakes and noise]({MAP})\n\n"
    page.write_text(f"{before}{BEGIN}\n\n{shown}{tables(rows)}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="520,521")
    parser.add_argument("--rules", default="evidence")
    parser.add_argument("--edges", action="store_true", help="Measure the edges in place of the grid.")
    parser.add_argument(
        "--ask-labels", type=int, default=0, help="Label so many images that each run asks about."
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    rows: list[Row] = []
    if given.file.exists():
        rows = [read(line) for line in given.file.read_text(encoding="utf-8").splitlines()]
    if given.page:
        write_page(given.page, rows)
        return
    done = {key_of(row) for row in rows}
    seeds = [int(seed) for seed in given.seeds.split(",")]
    worlds = list(edges() if given.edges else grid())
    rules: list[str] = given.rules.split(",")
    for seed, conditions, rule in itertools.product(seeds, worlds, rules):
        cell = {**vars(conditions), "rule": rule, "seed": seed}
        if key_of(cell) in done:
            continue
        rows.append(measured(conditions, rule, seed, given.runs, asked=given.ask_labels))
        with given.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{len(rows)}: {cell} resolve {rows[-1]['top1']['resolve']}", file=sys.stderr)
    print(tables(rows))


if __name__ == "__main__":
    main()
