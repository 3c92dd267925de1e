"""Measures how an annotator should look, and debate, at equal calls: by the classifier that comes of it.

`python -m benchmarks.looks FILE --seeds 820,821`: each of fifteen simulated owners labels 40 pictures.
Each way has 120 questions for others: where a picture takes three, a third as many are judged, and
debates are paid for in pictures. A head is fitted to labels and verdicts, and judges pictures drawn
apart. Controls: examples under swapped labels, and captions of other pictures. All mistakes of the guide
are of a picture ("steady"), or half of them of a question ("wavering"). Clauses are drafted from name and
purpose; or there is one that says no more than the name ("name"), which the guide mostly does not
understand: only there do examples tell it anything.
"""

import asyncio
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import typer

from fieldmark import open_stores
from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.graph import disagreements
from fieldmark.agents.build.looks import CALLS, annotator_looking
from fieldmark.agents.build.options import BuildOptions, Way
from fieldmark.agents.build.sample import DebatedCall, Sample, examples_of
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.run import converse
from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.rules import RULES, Rule
from fieldmark.evals.owners.simulate import owner_of, talk
from fieldmark.evals.owners.trials import TrialSetup, fresh_folder
from fieldmark.evals.owners.world import OwnersWorld, draw_world
from fieldmark.prompts.steps import CAPTION
from fieldmark.records import Clause, Concept, Definition, ImagePart, Label, Question, Verdict
from fieldmark.tools.annotate.looks import WayOfLooking
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.changes import with_version
from fieldmark.tools.concepts.heads.choose import RECIPES, Fitted, choose_head
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.statistics.intervals import paired_difference

LABELS, POOL, HELD_OUT = 40, 400, 300
BUDGET, DEBATES, OWNER_WEIGHT = 120, 8, 12.0
SIGHTS = {"steady": (0.06, 0.0), "wavering": (0.03, 0.03)}
"""Shares of the features that are mistaken for each picture, and for each question."""
DRAFTED = ("once", "steps", "other captions", "samples", "debate of one round", "debate")
NAMED = ("once", "examples", "swapped", "debate+examples", "debate+swapped")


@dataclass(frozen=True)
class Arm:
    """One way to spend the questions."""

    way: Way
    rounds: int = 0
    control: Literal["", "swapped", "other"] = ""


ARMS = {
    "once": Arm("once"),
    "examples": Arm("examples"),
    "swapped": Arm("examples", control="swapped"),
    "steps": Arm("steps"),
    "other captions": Arm("steps", control="other"),
    "samples": Arm("samples"),
    "debate of one round": Arm("once", 1),
    "debate": Arm("once", 2),
    "debate+examples": Arm("examples", 2),
    "debate+swapped": Arm("examples", 2, "swapped"),
}


class OtherCaptions:
    """A control: captions are of the picture that was to be captioned before."""

    def __init__(self, llm: DirectGuide) -> None:
        self._llm, self._last = llm, tuple[ImagePart, ...]()

    async def ask(self, question: Question[Any]) -> Any:
        """See `LanguageModel`."""
        if question.prompt_id == CAPTION:
            *before, last = question.messages
            shown, self._last = self._last or last.images, last.images
            question = replace(question, messages=(*before, last.model_copy(update={"images": shown})))
        return await self._llm.ask(question)


def labelled(concept: Concept, rule: Rule, world: OwnersWorld) -> Concept:
    """The concept with labels of its owner, half of them in where there are as many."""
    inside = {i.content_hash: rule.inside(world.scene.of(i.content_hash)) for i in world.pool.images}
    drawn = [h for want in (True, False) for h in [h for h in inside if inside[h] is want][: LABELS // 2]]
    labels = [Label(image=h, value="in" if inside[h] else "out", split="dev", at="t") for h in drawn]
    return concept.model_copy(update={"labels": tuple(labels)})


async def drafted(rule: Rule, setup: TrialSetup) -> Concept:
    """The concept with clauses drafted from name and purpose alone."""
    folder = fresh_folder(setup, "drafted", rule)
    folder.save(Concept(name=rule.name, purpose=rule.purpose, seed=setup.options.seed))
    folder.save_pool(setup.world.pool.images)
    annotator = VlmAnnotator(setup.llm, model=setup.model, store=setup.verdicts)
    context = DefineContext(
        folder=folder, pool=setup.world.pool, encoder=setup.encoder, annotator=annotator,
        gap_finder=annotator, llm=setup.llm, arrays=ArrayStore(folder.path / "arrays"),
        options=talk(setup.options, conversation=False, blind=0),
    )  # fmt: skip
    await converse(context, owner_of(rule, setup))
    return folder.load()


async def looking(arm: Arm, guide: Guide, setup: TrialSetup, concept: Concept) -> VlmAnnotator:
    """The annotator of an arm."""
    direct = DirectGuide(guide)
    llm = OtherCaptions(direct) if arm.control == "other" else direct
    own = VlmAnnotator(llm, model=direct.identity, store=VerdictStore(MemoryByteStore()), concurrency=1)
    definition = concept.versions[concept.current - 1].definition
    found = (await annotator_looking(own, arm.way, concept, definition, setup.world.pool)).annotator
    if arm.control == "swapped":
        other: dict[str, Literal["in", "out"]] = {"in": "out", "out": "in"}
        shown = tuple((image, other[label]) for image, label in found._looks.examples)
        return own.looking(WayOfLooking(examples=shown))
    return found


async def spent(
    arm: Arm, guide: Guide, setup: TrialSetup, concept: Concept, truth: dict[str, str]
) -> dict[str, Any]:
    """What comes of one way: the annotator's right calls, and the classifier's on pictures drawn apart."""
    world, definition = setup.world, concept.versions[concept.current - 1].definition
    folder = fresh_folder(setup, "built", RULES[0])
    folder.save(concept)
    annotator = await looking(arm, guide, setup, concept)
    context = BuildContext(
        folder=folder, version=concept.current, out=folder.path / "out", pool=world.pool,
        encoder=setup.encoder, annotator=annotator, arrays=ArrayStore(folder.path / "arrays"),
        options=BuildOptions(debates=DEBATES, seed=setup.options.seed),
    )  # fmt: skip
    own = {label.image for label in concept.labels}
    free = [image for image in world.pool.images if image.content_hash not in own]
    Random(setup.options.seed).shuffle(free)
    known = await annotator.judge([i for i in world.pool.images if i.content_hash in own], definition)

    def fitted(verdicts: Sequence[Verdict], settled: dict[str, DebatedCall]) -> Fitted:
        drawn = Sample(drawn=tuple(v.image for v in verdicts))
        given, _ = examples_of(drawn, (*verdicts, *known), settled, context, owner_weight=OWNER_WEIGHT)
        return choose_head(given, definition, recipes=RECIPES[:1], seed=setup.options.seed)

    first = (BUDGET - 3 * arm.rounds * DEBATES) // CALLS[arm.way]
    verdicts = await annotator.judge(free[:first], definition)
    settled: dict[str, DebatedCall] = {}
    asked, rounds = first * CALLS[arm.way], 0
    if arm.rounds:
        disputed = disagreements(fitted(verdicts, {}), verdicts, context)
        debates = await annotator.debate(
            context.files(disputed),
            definition,
            concept=concept.name,
            purpose=concept.purpose,
            rounds=arm.rounds,
        )
        rounds = sum(debate.rounds for debate in debates)
        asked += 3 * rounds
        for each in debates:
            if each.p is not None and (each.call == "in" or each.call == "out"):
                settled[each.image] = DebatedCall(call=each.call, p=each.p)
        verdicts = await annotator.judge(
            free[: first + BUDGET - asked], definition
        )  # what is left of the questions
    calls = [settled[v.image].call if v.image in settled else v.call for v in verdicts]
    before = {v.image: v.call for v in verdicts}
    head = fitted(verdicts, settled).head
    p, _ = head.probabilities(world.held_out.vectors)
    inside = [truth[image.content_hash] == "in" for image in world.held_out.images]
    return {
        "judged": len(verdicts),
        "annotator": float(np.mean([c == truth[v.image] for c, v in zip(calls, verdicts, strict=True)])),
        "right": ((p >= head.threshold).numpy() == np.array(inside)).astype(int).tolist(),
        "debates": [rounds, sum(before[i] == truth[i] for i in settled),
                    sum(each.call == truth[i] for i, each in settled.items()), len(settled)],
    }  # fmt: skip


def main(file: Path, seeds: str = "820,821,822,823,824") -> None:
    """Write every owner's figures into FILE, and print the differences over all owners."""
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    done = {(row["seed"], row["rule"]) for row in rows}
    with open_stores(None) as stores, TemporaryDirectory() as home:
        encoder = stores.encoder("aviary")
        for seed in map(int, seeds.split(",")):
            options = SimulateOptions(owners=("all",), seed=seed, pool=POOL, held_out=HELD_OUT, controls=())
            world = draw_world(
                stores.aviary, encoder, seed=seed, pool=POOL, held_out=HELD_OUT, progress=no_progress
            )
            gallery = Gallery.of_folders(world.folders)
            gallery.look = functools.cache(gallery.look)
            guides = {
                name: Guide((), sight=Sight(gallery, SightSettings(mistakes=own, wavering=each, seed=seed)))
                for name, (own, each) in SIGHTS.items()
            }
            direct = DirectGuide(guides["steady"])
            setup = TrialSetup(
                world=world, encoder=encoder, llm=CountingModel(direct), model=direct.identity,
                verdicts=VerdictStore(MemoryByteStore()), home=Path(home) / str(seed), options=options,
                progress=no_progress,
            )  # fmt: skip
            for rule in [rule for rule in RULES if (seed, rule.key) not in done]:
                rows.append(
                    {"seed": seed, "rule": rule.key, "arms": asyncio.run(of_owner(rule, setup, guides))}
                )
                print(seed, rule.key, flush=True)
                file.write_text(json.dumps(rows))
    report(rows)


async def of_owner(rule: Rule, setup: TrialSetup, guides: dict[str, Guide]) -> dict[str, Any]:
    """Every way of spending the questions, for one owner."""
    images = (*setup.world.pool.images, *setup.world.held_out.images)
    inside = {i.content_hash: rule.inside(setup.world.scene.of(i.content_hash)) for i in images}
    truth = {image: "in" if own else "out" for image, own in inside.items()}
    concept = labelled(await drafted(rule, setup), rule, setup.world)
    clause = Clause(id="c1", role="necessary", text=f"The picture shows one of the {rule.name}.")
    named = with_version(concept, Definition(clauses=(clause,)), why="name", at="t")
    found: dict[str, Any] = {}
    settings: tuple[tuple[str, Concept, str, Sequence[str]], ...] = (
        ("drafted", concept, "steady", DRAFTED),
        ("drafted", concept, "wavering", DRAFTED),
        ("name", named, "wavering", NAMED),
    )
    for what, own, sight, arms in settings:
        for name in arms:
            key = f"{what}/{sight}/{name}"
            found[key] = await spent(ARMS[name], guides[sight], setup, own, truth)
    return found


def report(rows: Sequence[dict[str, Any]]) -> None:
    """Print for each way what its classifier gets right, against looking once."""
    owners = np.repeat(np.arange(len(rows)), HELD_OUT)
    for key in rows[0]["arms"]:
        right, once = (
            np.concatenate([row["arms"][each]["right"] for row in rows])
            for each in (key, f"{key.rpartition('/')[0]}/once")
        )
        gap = paired_difference(right, once, owners)
        own = [row["arms"][key] for row in rows]
        judged, annotator = (np.mean([each[what] for each in own]) for what in ("judged", "annotator"))
        debates = np.sum([each["debates"] for each in own], 0).tolist()
        low, high = (100 * each for each in gap.ci95)
        print(
            f"{key}: {judged:.0f} judged, annotator {100 * annotator:.1f}, classifier "
            f"{100 * right.mean():.1f} {100 * gap.value:+.1f} ({low:+.1f} to {high:+.1f}), debates {debates}"
        )


if __name__ == "__main__":
    typer.run(main)
