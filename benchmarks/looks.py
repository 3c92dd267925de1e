"""Measures how an annotator should look: once, with the owner's labels before it, or three times.

`python -m benchmarks.looks FILE --seeds 750,751`: for each of fifteen simulated owners clauses are drafted
from name and purpose alone, the owner labels 40 pictures, and each way judges pictures drawn apart.
"""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer

from fieldmark import open_stores
from fieldmark.agents.build.looks import COMPARED, annotator_looking, rights_of
from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.rules import RULES, Rule
from fieldmark.evals.owners.simulate import owner_of, talk
from fieldmark.evals.owners.trials import TrialSetup, talk_and_build
from fieldmark.evals.owners.world import draw_world
from fieldmark.records import Label
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.statistics.intervals import paired_difference

LABELS, POOL, HELD_OUT = 40, 400, 300


async def of_owner(rule: Rule, setup: TrialSetup) -> dict[str, Any]:
    """Right calls of each way on the pictures drawn apart, and what the owner's labels chose."""
    drafting = talk(setup.options, conversation=False, blind=0)
    trial = await talk_and_build(rule, owner_of(rule, setup), drafting, setup, name="drafted")
    pool, scene = setup.world.pool, setup.world.scene
    inside = {i.content_hash: rule.inside(scene.of(i.content_hash)) for i in pool.images}
    drawn = [h for want in (True, False) for h in [h for h in inside if inside[h] is want][: LABELS // 2]]
    labels = tuple(Label(image=h, value="in" if inside[h] else "out", split="dev", at="t") for h in drawn)
    concept = trial.concept.model_copy(update={"labels": labels})
    definition = concept.versions[concept.current - 1].definition
    annotator = VlmAnnotator(setup.llm, model=setup.model, store=setup.verdicts)
    chosen = await annotator_looking(annotator, "choose", concept, definition, pool)
    held = setup.world.held_out.images
    truth = {i.content_hash: "in" if rule.inside(scene.of(i.content_hash)) else "out" for i in held}
    rights: dict[str, list[float]] = {}
    for way in COMPARED:
        looking = await annotator_looking(annotator, way, concept, definition, pool)
        rights[way] = rights_of(await looking.annotator.judge(held, definition), truth)
    return {"rule": rule.key, "chosen": chosen.chosen, "dev": dict(chosen.right), "rights": rights}


def main(file: Path, seeds: str = "750,751") -> None:
    """Write every owner's figures into FILE, and print the differences over all owners."""
    rows: list[dict[str, Any]] = []
    with open_stores(None) as stores, TemporaryDirectory() as home:
        encoder = stores.encoder("aviary")
        for seed in map(int, seeds.split(",")):
            options = SimulateOptions(
                owners=("all",), seed=seed, pool=POOL, held_out=HELD_OUT, annotate=50, controls=()
            )
            world = draw_world(
                stores.aviary, encoder, seed=seed, pool=POOL, held_out=HELD_OUT, progress=no_progress
            )
            sight = Sight(Gallery.of_folders(world.folders), SightSettings(mistakes=0.06, seed=seed))
            direct = DirectGuide(Guide((), sight=sight))
            setup = TrialSetup(
                world=world, encoder=encoder, llm=CountingModel(direct), model=direct.identity,
                verdicts=VerdictStore(MemoryByteStore()), home=Path(home) / str(seed), options=options,
                progress=no_progress,
            )  # fmt: skip
            for rule in RULES:
                row: dict[str, Any] = {**asyncio.run(of_owner(rule, setup)), "seed": seed}
                rows.append(row)
                print(seed, rule.key, row["chosen"])
                file.write_text(json.dumps(rows))
    owners = np.repeat(np.arange(len(rows)), HELD_OUT)
    said = {way: np.concatenate([row["rights"][way] for row in rows]) for way in COMPARED}
    said["choose"] = np.concatenate([row["rights"][row["chosen"]] for row in rows])
    for way, right in said.items():
        gap = paired_difference(right, said["once"], owners)
        low, high = (100 * each for each in gap.ci95)
        print(way, f"{100 * right.mean():.1f}", f"{100 * gap.value:+.1f} ({low:+.1f} to {high:+.1f})")


if __name__ == "__main__":
    typer.run(main)
