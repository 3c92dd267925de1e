"""Simulated owners in the studio, by clicks and keys alone, beside `fieldmark concept simulate`.

Each owner with a hidden rule takes a concept from new to export in Chromium: questions, boards, verdicts,
edits, blind test, build, measurement, zip. The same owner is simulated without a page on the same pictures,
with the same mistakes of the script that answers. Both classifiers are measured on the same held-out pictures
by the rule; the difference in F1 is paired by picture. A second simulation has the draws of the studio.

    python -m benchmarks.studio.owners [--seeds 640,641,642] [--owners red-head,crowned,elegant] [--json]
"""

import argparse
import itertools
import json
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

from fieldmark.app.concepts.classifier import ConceptClassifier
from fieldmark.app.concepts.simulation import CLIP, run_simulation
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.owner import SimulatedOwner
from fieldmark.evals.owners.results import measured
from fieldmark.evals.owners.rules import RULES, Rule, rules_named
from fieldmark.evals.owners.simulate import talk
from fieldmark.evals.owners.trials import TrialSetup, talk_and_build
from fieldmark.evals.owners.world import OwnersWorld, draw_world
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import blind_labels
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import no_progress
from tests.browser.conftest import BROWSERS
from tests.browser.page_owner import PageOwner
from tests.browser.studio import served
from tests.command_line import CommandLine

SIZE = {"width": 640, "height": 480}
NO_PICTURES = "--blink-settings=imagesEnabled=false"


def in_the_studio(place: Path, rule: Rule, world: OwnersWorld, options: SimulateOptions) -> dict[str, Any]:
    """One owner from new to export; where the exported classifier lies, and what was given for it."""
    sight = Sight(
        Gallery.of_folders(world.folders), SightSettings(mistakes=options.mistakes, seed=options.seed)
    )
    owner = SimulatedOwner(rule, world.scene, seed=options.seed)
    chromium = next(filter(None, map(shutil.which, BROWSERS)))
    with GuideServer(Guide((), sight=sight)) as guide, sync_playwright() as playwright:
        models = {
            "OPENAI_BASE_URL": guide.base_url, "OPENAI_API_KEY": "none",
            "FIELDMARK_LLM": guide.model, "FIELDMARK_CLIP": CLIP,
        }  # fmt: skip
        home = place.parent / f"home-{options.seed}"  # vectors of one world are made once
        with served(CommandLine(place, home, models)) as address:
            # The owner knows a picture by the hash in its address: to draw it takes most of the time.
            flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", NO_PICTURES]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            visitor = PageOwner(browser.new_page(base_url=address, viewport=SIZE), owner, most=options.labels)
            began = time.perf_counter()
            visitor.make(rule.name, rule.purpose, world.folders[0])
            visitor.talk()
            talked = time.perf_counter() - began
            visitor.label_blind()
            visitor.end()
            visitor.build(options.annotate)
            visitor.measure()
            archive = visitor.export(place / "exported.zip")
            seconds = time.perf_counter() - began
            browser.close()
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(place / "exported")
    (folder,) = (place / "exported").iterdir()
    concept = ConceptFolder(home / "concepts" / slug_of(rule.name)).load()
    return {
        "folder": folder, "labels": owner.labels_given, "blind": len(blind_labels(concept)),
        "boards": visitor.boards, "questions": len(visitor.asked),
        "talk_seconds": round(talked), "seconds": round(seconds),
    }  # fmt: skip


async def by_the_same_draws(
    rule: Rule, world: OwnersWorld, options: SimulateOptions, encoder: Encoder, home: Path
) -> NDArray[np.float64]:
    """What the classifier of a simulation with the studio's draws says of the held-out pictures `[N]`.

    The command draws blind test and boards by the world's seed; every concept of the studio by 0.
    """
    sight = Sight(
        Gallery.of_folders(world.folders), SightSettings(mistakes=options.mistakes, seed=options.seed)
    )
    llm = CountingModel(DirectGuide(Guide((), sight=sight)))
    setup = TrialSetup(
        world=world,
        encoder=encoder,
        llm=llm,
        model="guide",
        verdicts=VerdictStore(MemoryByteStore()),
        home=home,
        options=options.model_copy(update={"seed": 0}),
        progress=no_progress,
    )
    owner = SimulatedOwner(rule, world.scene, seed=options.seed)
    trial = await talk_and_build(rule, owner, talk(options), setup, name="same draws")
    return trial.student.calls


def compared(place: Path, rule: Rule, options: SimulateOptions) -> dict[str, Any]:
    """One owner in one world, in the studio and without it."""
    with open_stores() as stores:
        encoder = stores.encoder(CLIP)
        world = draw_world(
            stores.aviary, encoder, seed=options.seed, pool=options.pool, held_out=options.held_out,
            progress=no_progress,
        )  # fmt: skip
        same = run_to_end(by_the_same_draws(rule, world, options, encoder, place / "same"))
    alone = options.model_copy(update={"owners": (rule.key,)})
    simulation = run_simulation(alone, out=place / "runs")
    (run,) = (place / "runs").iterdir()
    kept = run / "concepts" / str(options.seed) / "conversation" / slug_of(rule.name) / "models"
    (simulated,) = simulation.owners
    found = in_the_studio(place, rule, world, options)
    truth = np.array(
        [float(rule.inside(world.scene.of(each.content_hash))) for each in world.held_out.images]
    )
    scores = []
    for folder in (found["folder"], sorted(kept.iterdir())[-1]):
        with ConceptClassifier(folder) as classifier:
            said = {each.image_hash: each.label for each in classifier.predict(world.folders[1]).predictions}
        calls = np.array([float(said[each.content_hash] == "in") for each in world.held_out.images])
        scores.append(measured(truth, calls, seed=RULES.index(rule)))
    studio, page_less = scores
    same_draws = measured(truth, same, seed=RULES.index(rule))
    if abs(page_less.value - simulated.student_f1) > 1e-3:
        raise RuntimeError(
            f"{kept} is not what was measured: {page_less.value} is not {simulated.student_f1}."
        )
    apart = np.array(studio.replicates) - np.array(page_less.replicates)
    return {
        "owner": rule.key, "seed": options.seed,
        "studio_f1": studio.value, "studio_ci95": studio.ci95,
        "simulate_f1": page_less.value, "simulate_ci95": page_less.ci95,
        "difference": studio.value - page_less.value,
        "difference_ci95": tuple(np.quantile(apart, (0.025, 0.975)).tolist()),
        "same_draws_f1": same_draws.value,
        "simulate_labels": simulated.labels_used, "simulate_boards": simulated.boards,
        **{name: value for name, value in found.items() if name != "folder"},
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", default="640,641,642")
    options.add_argument("--owners", default="red-head,crowned,elegant")
    options.add_argument("--pool", type=int, default=SimulateOptions(owners=()).pool)
    options.add_argument("--annotate", type=int, default=SimulateOptions(owners=()).annotate)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    seeds = [int(each) for each in chosen.seeds.split(",")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for rule, seed in itertools.product(rules_named(tuple(chosen.owners.split(","))), seeds):
            wanted = SimulateOptions(
                owners=(rule.key,), seed=seed, pool=chosen.pool, annotate=chosen.annotate, controls=()
            )
            place = Path(folder) / f"{rule.key}-{seed}"
            place.mkdir()
            found = compared(place, rule, wanted)
            if chosen.json:
                print(json.dumps(found), flush=True)
                continue
            low, high = found["difference_ci95"]
            print(
                f"{seed} {rule.key:12} studio {found['studio_f1']:.3f}  simulate {found['simulate_f1']:.3f}  "
                f"same draws {found['same_draws_f1']:.3f}  "
                f"difference {found['difference']:+.3f} ({low:+.3f} to {high:+.3f})  "
                f"labels {found['labels']} of {found['simulate_labels']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
