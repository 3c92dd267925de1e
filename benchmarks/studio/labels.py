"""What labels given in the studio's gallery are worth: accuracy and calibration before and after.

A run of `fieldmark classify` on birds drawn as in the studio's demo (20 new species, 80 images each) is
opened in the studio. In one copy the images that it asks about are labelled by the truth, in another as many
random ones; each is scored anew and its corrected labels are exported, at the pages' own addresses. Images
that anybody labelled are left out of the figures. Intervals resample species.

    python -m benchmarks.studio.labels [--seeds 640,641,642]
"""

import argparse
import csv
import io
import json
import random
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.tools.runs.folder import RunFolder, new_run_id
from fieldmark.tools.runs.labels import read_ask
from fieldmark.tools.statistics.intervals import paired_difference, pooled_clusters
from tests.browser.studio import served
from tests.command_line import CommandLine

SPECIES, IMAGES = 20, 80
ARMS = ("before", "asked", "random")
RESAMPLES = 2000


@dataclass
class Visitor:
    """Somebody at the pages of a studio, without a browser.

    Attributes:
        pages: Asks for pages.
        run: Address of the run.
    """

    pages: httpx2.Client
    run: str

    def label(self, image_hash: str, species: str) -> None:
        """Say on its page what an image shows."""
        there = f"{self.run}/images/{image_hash}"
        self._send(there, there, label=species)

    def score(self) -> None:
        """Have the run scored anew, and wait for the end."""
        self._send(self.run, f"{self.run}/scoring")
        while "scoring" in str(self.pages.get(f"{self.run}/scoring").url):
            time.sleep(1)

    def export(self) -> dict[str, dict[str, str]]:
        """The corrected labels, by image hash."""
        text = self.pages.get(f"{self.run}/labels.csv").text
        return {row["image_hash"]: row for row in csv.DictReader(io.StringIO(text))}

    def _send(self, page: str, to: str, **said: str) -> None:
        token = re.search(r'name="form_token" value="([^"]+)"', self.pages.get(page).text)
        if token is None:
            raise RuntimeError(f"{page} has no form.")
        self.pages.post(to, data={"form_token": token[1], **said}).raise_for_status()


def copy_of(run: RunFolder) -> RunFolder:
    """A run under another name."""
    to = run.path.parent / new_run_id("classify")
    shutil.copytree(run.path, to)
    config = to / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace(run.run_id, to.name), "utf-8")
    return RunFolder(to)


def measured(place: Path, seed: int) -> dict[str, Any]:
    """Confidence and rightness `[N]` of the images that nobody labelled, by arm, and their species."""
    book = species_book(seed, new=SPECIES, known=0)
    birds = place / f"birds-{seed}"
    render_dataset(birds, book, images_per_species=IMAGES, seed=seed)
    with GuideServer(Guide(book)) as guide:
        models = {"OPENAI_BASE_URL": guide.base_url, "OPENAI_API_KEY": "none",
                  "FIELDMARK_LLM": guide.model, "FIELDMARK_CLIP": "aviary"}  # fmt: skip
        line = CommandLine(place, place / "home", models)
        classes = birds / "classes.txt"
        said = line.run("classify", birds, "--classes", classes, "--out", place / f"runs-{seed}", "--json")
        if said.code:
            raise RuntimeError(said.err)
        run = RunFolder(Path(said.json["run"]))
        truth = {p.image_hash: Path(p.image).parent.name for p in run.read_predictions()}
        asked = [each.image_hash for each in read_ask(run)]
        drawn = random.Random(seed).sample(sorted(truth), len(asked))
        arms = dict(zip(ARMS, (run, copy_of(run), copy_of(run)), strict=True))
        found: dict[str, dict[str, dict[str, str]]] = {}
        with served(line, "--runs", place / f"runs-{seed}") as address:
            headers = {"origin": address.rstrip("/")}
            with httpx2.Client(
                base_url=address, headers=headers, follow_redirects=True, timeout=120
            ) as pages:
                for arm, labelled in zip(ARMS, ((), asked, drawn), strict=True):
                    visitor = Visitor(pages, f"/runs/{arms[arm].run_id}")
                    for image in labelled:
                        visitor.label(image, truth[image])
                    if labelled:
                        visitor.score()
                    found[arm] = visitor.export()
                    people = {i for i, row in found[arm].items() if row["given_by"] == "person"}
                    if people != set(labelled):
                        raise RuntimeError(f"{len(labelled)} labels were given, {len(people)} exported.")
    free = [image for image in truth if image not in {*asked, *drawn}]
    return {
        "seed": seed, "labels": len(asked), "species": [truth[image] for image in free],
        **{arm: {
            "right": [rows[image]["label"] == truth[image] for image in free],
            "confidence": [float(rows[image]["confidence"]) for image in free],
            "resolved": [rows[image]["status"] == "resolved" for image in free],
        } for arm, rows in found.items()},
    }  # fmt: skip


def ece_difference(worlds: list[dict[str, Any]], arm: str, other: str) -> tuple[float, float, float]:
    """By how much the mean calibration error of the worlds is higher in one arm, with a 95% interval."""
    draws, columns = np.random.default_rng(0), []
    for world in worlds:
        species = np.unique(world["species"], return_inverse=True)[1]
        members = [np.flatnonzero(species == each) for each in range(species.max() + 1)]
        data = [(np.array(world[a]["confidence"]), np.array(world[a]["right"])) for a in (arm, other)]
        picks = [np.arange(len(species))] + [
            np.concatenate([members[each] for each in draws.integers(0, len(members), len(members))])
            for _ in range(RESAMPLES)
        ]
        columns.append([
            reliability(data[0][0][rows], data[0][1][rows]).error
            - reliability(data[1][0][rows], data[1][1][rows]).error
            for rows in picks
        ])  # fmt: skip
    means = np.array(columns).mean(axis=0)
    low, high = np.quantile(means[1:], (0.025, 0.975))
    return float(means[0]), float(low), float(high)


def row_of(world: dict[str, Any]) -> dict[str, Any]:
    """The figures of one world, in percent."""
    return {"seed": world["seed"], "labels": world["labels"], "images": len(world["species"])} | {
        arm: {
            "top1": round(100 * float(np.mean(world[arm]["right"])), 1),
            "ece": round(100 * reliability(world[arm]["confidence"], world[arm]["right"]).error, 1),
            "resolved": round(100 * float(np.mean(world[arm]["resolved"])), 1),
        }
        for arm in ARMS
    }


def together(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """Differences between arms over all worlds, in percentage points with 95% intervals."""
    clusters = pooled_clusters([world["species"] for world in worlds])
    right = {arm: np.concatenate([world[arm]["right"] for world in worlds]).astype(float) for arm in ARMS}
    found: dict[str, Any] = {}
    for arm, other in (("asked", "before"), ("random", "before"), ("asked", "random")):
        top1 = paired_difference(right[arm], right[other], clusters)
        found[f"{arm} minus {other}"] = {
            "top1": [round(100 * each, 1) for each in (top1.value, top1.low, top1.high)],
            "p": round(top1.p, 4),
            "ece": [round(100 * each, 1) for each in ece_difference(worlds, arm, other)],
        }
    return found


def main() -> None:
    """Measure every world, then all of them together; one JSON object a line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seeds", default="640,641,642")
    worlds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for seed in map(int, options.parse_args().seeds.split(",")):
            worlds.append(measured(Path(folder), seed))
            print(json.dumps(row_of(worlds[-1])), flush=True)
    print(json.dumps(together(worlds)), flush=True)


if __name__ == "__main__":
    main()
