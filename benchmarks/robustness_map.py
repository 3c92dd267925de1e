"""Maps where the resolve loop helps and where it harms: the whole ladder for names × noise × mistakes.

    python benchmarks/robustness_map.py map.jsonl --seeds 520,521 --rules evidence,table
    python benchmarks/robustness_map.py map.jsonl --page docs/robustness.md

Every world is one line of the file; those that are there are not measured again. With the page named, nothing
is measured, and the table between its two comments is written anew.
"""

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app import open_stores
from fieldmark.app.event_loop import run_to_end
from fieldmark.evals.demo.demo import DemoSettings, run_demo
from fieldmark.evals.demo.results import DemoResult
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder

NAMES = ("known", "mixed", "new")
NOISE = ((0.0, 0.0), (1.0, 0.5), (1.5, 1.0), (2.0, 1.0))
MISTAKES = (0.15, 0.3, 0.4)
BEGIN, END = "<!-- map: begin -->", "<!-- map: end -->"
SIMPLER = ("names", "templates", "descriptors", "descriptors_more", "fudd", "everything")


def cells(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The worlds to measure, the hardest questions first last: a map that is stopped early is spread out."""
    seeds = [int(seed) for seed in given.seeds.split(",")]
    for seed, mistakes, (image, text), names, rule in itertools.product(
        seeds, MISTAKES, NOISE, NAMES, given.rules.split(",")
    ):
        yield {
            "names": names,
            "image_noise": image,
            "text_noise": text,
            "mistakes": mistakes,
            "rule": rule,
            "seed": seed,
        }


def measured(cell: dict[str, Any], runs: Path) -> dict[str, Any]:
    """Climb the ladder in one world."""
    settings = DemoSettings(
        seed=cell["seed"],
        conditions=WorldConditions(
            names=cell["names"],
            image_noise=cell["image_noise"],
            text_noise=cell["text_noise"],
            mistakes=cell["mistakes"],
        ),
        options=ResolveOptions(rule=cell["rule"]),
    )
    with open_stores() as stores:
        result: DemoResult
        result, _ = run_to_end(
            run_demo(
                settings,
                encoder=stores.encoder("aviary"),
                answers=stores.answers,
                pictures=stores.aviary,
                run=RunFolder.create(runs, kind="demo", options={}),
                progress=no_progress,
            )
        )
    top1 = {rung.name: rung.top1 for rung in result.ladder}
    return {
        **cell,
        "top1": top1,
        "best_simpler": max(top1[name] for name in SIMPLER),
        "images": result.images,
        "resolved": result.resolved.count,
        "resolved_top1": result.resolved.top1,
        "questions": result.questions["resolve"],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The measured worlds as Markdown, means over seeds, and a line of means for each rule."""
    lines = [
        "| names | noise | mistakes | rule | best simpler rung | resolve | difference | resolved "
        "| of them right | questions |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("names", "image_noise", "text_noise", "mistakes", "rule"))
        groups.setdefault(key, []).append(row)
    for key in sorted(groups):
        names, image, text, mistakes, rule = key
        line = _means(groups[key])
        lines.append(f"| {names} | {image:g} / {text:g} | {mistakes:g} | {rule} | {line} |")
    lines += [
        f"| all | | | {rule} | {_means([row for row in rows if row['rule'] == rule])} |"
        for rule in sorted({row["rule"] for row in rows})
    ]
    return "\n".join(lines)


def _means(rows: list[dict[str, Any]]) -> str:
    best = statistics.mean(row["best_simpler"] for row in rows)
    resolve = statistics.mean(row["top1"]["resolve"] for row in rows)
    resolved = sum(row["resolved"] for row in rows)
    right = sum((row["resolved_top1"] or 0) * row["resolved"] for row in rows)
    asked = statistics.mean(row["questions"] for row in rows)
    share = resolved / sum(row["images"] for row in rows)
    return (
        f"{100 * best:.1f} | {100 * resolve:.1f} | {100 * (resolve - best):+.1f} | {100 * share:.0f}% | "
        f"{f'{100 * right / resolved:.1f}%' if resolved else '–'} | {asked:,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="520,521")
    parser.add_argument("--rules", default="evidence")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.file.read_text().splitlines()] if given.file.exists() else []
    if given.page:
        text = given.page.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        given.page.write_text(
            f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8"
        )
        return
    for cell in cells(given):
        if any(all(row[name] == value for name, value in cell.items()) for row in rows):
            continue
        rows.append(measured(cell, given.runs))
        with given.file.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{len(rows)}: {cell} resolve {rows[-1]['top1']['resolve']}", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
