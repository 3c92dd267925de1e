"""Measures what searching for an annotator's words is worth, at equal calls.

`python -m benchmarks.words FILE --seeds 810,811`: for each of fifteen simulated owners clauses are drafted
from name and purpose alone (or talked over, with --talked), the owner labels 40 pictures, and words are
searched for within 200 questions. The annotator with fixed and with found words judges pictures drawn apart.
A head is fitted to what each says of 300 pictures, where the fixed words get as many more as the search took
questions. With --questions the rules of the loop's questions are searched for instead, in three worlds of the
robustness map. The control reflects on shuffled labels; the held-out ones that decide are true.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import typer

from fieldmark import open_stores
from fieldmark.agents.build.looks import owner_labels, rights_of
from fieldmark.agents.build.words import clause_words, halves
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.run import converse
from fieldmark.app.words.questions import QuestionRewording
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.rules import RULES, Rule
from fieldmark.evals.owners.simulate import owner_of, talk
from fieldmark.evals.owners.trials import TrialSetup, fresh_folder
from fieldmark.evals.owners.world import draw_world
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.evals.worlds.draw import draw_world as draw_drawn
from fieldmark.evals.worlds.draw import weakness_of
from fieldmark.records import Concept, Definition, Label, Words
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.concepts.heads.choose import RECIPES, choose_head
from fieldmark.tools.concepts.heads.train import Examples
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.search.pareto import MINIBATCH
from fieldmark.tools.statistics.intervals import paired_difference

LABELS, POOL, HELD_OUT = 40, 600, 300
ANNOTATE, CALLS = 300, 200


async def of_owner(rule: Rule, setup: TrialSetup, *, talked: bool, minibatch: int) -> dict[str, Any]:
    """Right calls with fixed, found and control words on the pictures drawn apart, and of classifiers."""
    name = "talked" if talked else "drafted"
    condition = talk(setup.options, **({} if talked else {"conversation": False, "blind": 0}))
    folder = fresh_folder(setup, name, rule)
    folder.save(Concept(name=rule.name, purpose=rule.purpose, seed=setup.options.seed))
    folder.save_pool(setup.world.pool.images)
    annotator = VlmAnnotator(setup.llm, model=setup.model, store=setup.verdicts)
    context = DefineContext(
        folder=folder, pool=setup.world.pool, encoder=setup.encoder, annotator=annotator,
        gap_finder=annotator, llm=setup.llm, arrays=ArrayStore(folder.path / "arrays"), options=condition,
        progress=setup.progress,
    )  # fmt: skip
    await converse(context, owner_of(rule, setup))
    pool, scene = setup.world.pool, setup.world.scene
    concept = folder.load() if talked else with_labels(folder.load(), rule, setup)
    folder.save(concept)
    definition = concept.versions[concept.current - 1].definition
    row: dict[str, Any] = {"rule": rule.key, "talked": talked, "clauses": [c.text for c in definition.active]}
    given: dict[str, Any] = {"calls": CALLS, "minibatch": minibatch, "seed": setup.options.seed}
    try:
        found = await clause_words(annotator, setup.llm, concept, definition, pool, **given)
    except InputError as error:
        return {**row, "refused": str(error)}
    control = await clause_words(annotator, setup.llm, shuffled(concept, setup), definition, pool, **given)
    held = setup.world.held_out.images
    truth = {i.content_hash: "in" if rule.inside(scene.of(i.content_hash)) else "out" for i in held}
    row["truth"] = [float(truth[image.content_hash] == "in") for image in held]
    row["found"] = found.model_dump(mode="json")
    row["control"] = control.clauses
    row["rights"] = {
        way: rights_of(await annotator.worded(words).judge(held, definition), truth)
        for way, words in (("fixed", Words()), ("found", found), ("control", control))
    }
    calls = found.found.calls if found.found else 0
    row["students"] = {
        way: await student(annotator.worded(words), definition, setup, images)
        for way, words, images in (
            ("fixed, equal calls", Words(), ANNOTATE + calls),
            ("fixed", Words(), ANNOTATE),
            ("found", found, ANNOTATE),
        )
    }
    return row


async def student(
    annotator: VlmAnnotator, definition: Definition, setup: TrialSetup, images: int
) -> list[float]:
    """Calls on the pictures drawn apart, 1 for in, by a head fitted to what is said of the pool."""
    pool = setup.world.pool
    verdicts = await annotator.judge(pool.images[:images], definition)
    rows = [n for n, each in enumerate(verdicts) if each.call in ("in", "out")]
    said = torch.tensor([float(verdicts[n].call == "in") for n in rows])
    if min(said.sum(), len(said) - said.sum()) < 8:
        return [float(said.mean() > 0.5)] * HELD_OUT
    ones = torch.ones(len(rows))
    examples = Examples(pool.vectors[rows], said, torch.zeros(len(rows), 0), ones, ones)
    head = choose_head(examples, Definition(), recipes=RECIPES[:1], seed=setup.options.seed).head
    p, _ = head.probabilities(setup.world.held_out.vectors)
    return (p >= head.threshold).double().tolist()


def with_labels(concept: Concept, rule: Rule, setup: TrialSetup) -> Concept:
    """A concept with 40 labels of its owner, half of them in where there are so many."""
    scene = setup.world.scene
    inside = {i.content_hash: rule.inside(scene.of(i.content_hash)) for i in setup.world.pool.images}
    drawn = [h for want in (True, False) for h in [h for h in inside if inside[h] is want][: LABELS // 2]]
    labels = tuple(Label(image=h, value="in" if inside[h] else "out", split="dev", at="t") for h in drawn)
    return concept.model_copy(update={"labels": labels})


def shuffled(concept: Concept, setup: TrialSetup) -> Concept:
    """The same concept, with those labels dealt anew that are reflected on, and without reasons."""
    labels = owner_labels(concept, setup.world.pool.row_of)
    hashes = sorted(labels)
    seen, _ = halves([labels[each] for each in hashes], setup.options.seed)
    values = [labels[hashes[place]] for place in seen]
    Random(setup.options.seed).shuffle(values)
    dealt = {**labels, **dict(zip((hashes[place] for place in seen), values, strict=True))}
    rows = ({"image": i, "value": v, "split": "dev", "at": "t"} for i, v in dealt.items())
    changed = map(Label.model_validate, rows)
    return concept.model_copy(update={"labels": tuple(changed)})


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    """F1 of calls; 0 where nothing right is called in."""
    return float(2 * (truth * said).sum() / max(1.0, truth.sum() + said.sum()))


def said_of(rows: list[dict[str, Any]]) -> None:
    """Print what was found, as differences over all owners with 95% intervals."""
    rows = [row for row in rows if "rights" in row]
    owners = np.repeat(np.arange(len(rows)), HELD_OUT)
    truth = np.concatenate([row["truth"] for row in rows])
    changed = sum(bool(row["found"]["clauses"] or row["found"]["instructions"]) for row in rows)
    wrongly = sum(bool(row["control"]) for row in rows)
    calls = np.mean([row["found"]["found"]["calls"] for row in rows])
    print(f"{len(rows)} owners, words for {changed}, control {wrongly}, {calls:.0f} questions a search")
    rights = {way: np.concatenate([row["rights"][way] for row in rows]) for way in rows[0]["rights"]}
    told("annotator", rights, "fixed", truth, owners)
    made = {way: np.concatenate([row["students"][way] for row in rows]) for way in rows[0]["students"]}
    right = {way: (each == truth).astype(float) for way, each in made.items()}
    told("student", right, "fixed, equal calls", truth, owners)


def told(
    who: str, rights: Mapping[str, np.ndarray], base: str, truth: np.ndarray, owners: np.ndarray
) -> None:
    """Print accuracy and mean F1 of each way, and how far it is ahead of another."""
    groups = range(int(owners.max()) + 1)
    scores = {
        way: np.array([f1(truth[owners == n], np.abs(truth - (1 - right))[owners == n]) for n in groups])
        for way, right in rights.items()
    }
    for way, right in rights.items():
        gap = paired_difference(right, rights[base], owners)
        ahead = paired_difference(scores[way], scores[base], None)
        low, high = (100 * each for each in gap.ci95)
        less, more = (100 * each for each in ahead.ci95)
        print(
            f"{who} {way}: right {100 * right.mean():.1f}, {100 * gap.value:+.1f} "
            f"({low:+.1f} to {high:+.1f}); F1 {100 * scores[way].mean():.1f}, "
            f"{100 * ahead.value:+.1f} ({less:+.1f} to {more:+.1f})"
        )


WORLDS = {
    "clear": WorldConditions(species=12, images=8),
    "mistakes": WorldConditions(species=12, images=8, mistakes=0.18),
    "noise": WorldConditions(species=12, images=8, image_noise=0.5, names="mixed"),
}
"""Worlds of the map's kinds, with so few species that a search takes no more than a few hundred questions."""


def of_questions(seeds: str) -> None:
    """Search for the loop's rules in each world, and print what came of it."""
    for seed, (name, conditions) in itertools.product(map(int, seeds.split(",")), WORLDS.items()):
        with open_stores(None) as stores, TemporaryDirectory() as home:
            world = draw_drawn(conditions, seed=seed, pictures=stores.aviary)
            guide = Guide(world.species, GuideSettings(mistakes=conditions.mistakes))
            rows = "".join(f"{image.path},{image.label}\n" for image in world.images)
            listed = Path(home) / "list.csv"
            listed.write_text(f"image,label\n{rows}")
            words = QuestionRewording(
                data=listed,
                noun="bird",
                clip=weakened(stores.encoder("aviary"), weakness_of(conditions, seed)),
                llm=DirectGuide(guide),
                seed=seed,
                home=Path(home),
            ).search()
        found = words.found
        if found is not None:
            outcomes = Counter(each.outcome for each in found.tried)
            print(
                seed,
                name,
                found.calls,
                "questions",
                dict(outcomes),
                "words",
                len(words.instructions),
                flush=True,
            )


def main(
    file: Path,
    seeds: str = "810,811",
    rules: str = "",
    talked: bool = False,
    minibatch: int = MINIBATCH,
    questions: bool = False,
) -> None:
    """Write every owner's figures into FILE, and print the differences over all owners."""
    if questions:
        of_questions(seeds)
        return
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
                if rules and rule.key not in rules.split(","):
                    continue
                row = asyncio.run(of_owner(rule, setup, talked=talked, minibatch=minibatch))
                rows.append({**row, "seed": seed})
                print(seed, rule.key, row.get("refused") or row["found"]["clauses"], flush=True)
                file.write_text(json.dumps(rows))
    said_of(rows)


if __name__ == "__main__":
    typer.run(main)
