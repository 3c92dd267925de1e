"""Simulates owners: each talks over a concept, gets a classifier, and is held against controls."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fieldmark.agents.define.options import DefineOptions
from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.cache.bytestore import ByteStore, MemoryByteStore
from fieldmark.evals.owners.aggregate import RANDOM, TALK, pooled_result
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.owner import SimulatedOwner
from fieldmark.evals.owners.prevalence import RARE_SHARE, thinned, weights_for
from fieldmark.evals.owners.results import (
    AtStage,
    ControlScore,
    HeldOutF1,
    OwnerResult,
    OwnerRun,
    SimulateResult,
    Stages,
    measured,
)
from fieldmark.evals.owners.rules import RULES, Rule
from fieldmark.evals.owners.trials import (
    Judged,
    Trial,
    TrialSetup,
    by_labels,
    by_name,
    from_static_prompt,
    talk_and_build,
)
from fieldmark.evals.owners.world import OwnersWorld, draw_world
from fieldmark.records import Concept, Definition, UsageLimits
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import repeats
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.statistics import agreement

Floats = NDArray[np.float64]
NOTE = (
    "Owners are simulated, and the language model is a scripted guide that recognises pictures and looks "
    "up what they show, with mistakes: it is no language model. The pictures, the CLIP model, the "
    "conversation, the classifier and the statistics are the real thing."
)


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a simulation needs.

    Attributes:
        options: What is simulated.
        encoder: The CLIP encoder.
        answers: Where answers and verdicts are kept.
        pictures: Folder for drawn pictures; complete ones are reused.
        home: Folder for the concepts' folders: a fresh one, as every concept begins anew.
        progress: Shows progress.
    """

    options: SimulateOptions
    encoder: Encoder
    answers: ByteStore
    pictures: Path
    home: Path
    progress: Progress = no_progress

    def world(self) -> OwnersWorld:
        """The pictures, drawn and encoded now if they are not yet."""
        return draw_world(
            self.pictures,
            self.encoder,
            seed=self.options.seed,
            pool=self.options.pool,
            held_out=self.options.held_out,
            progress=self.progress,
        )


def keep_nothing(_: OwnerRun) -> None:
    """Of a run that nobody else wants."""


async def simulate(
    task: Simulation, rules: Sequence[Rule], *, keep: Callable[[OwnerRun], None] = keep_nothing
) -> list[OwnerRun]:
    """Simulate owners, one after the other.

    Returns:
        One run for each.
    """
    options, world = task.options, task.world()
    sight = Sight(
        Gallery.of_folders(world.folders), SightSettings(mistakes=options.mistakes, seed=options.seed)
    )
    guide = Guide((), sight=sight)
    direct = DirectGuide(guide)
    setup = TrialSetup(
        world=world,
        encoder=task.encoder,
        llm=CountingModel(direct),
        model=direct.identity,
        verdicts=VerdictStore(MemoryByteStore()),
        home=task.home,
        options=options,
        progress=task.progress,
    )
    if options.guide == "in-process":
        return [await _kept(rule, remembering_nothing(setup, guide), keep) for rule in rules]
    async with asked_over_http(guide, store=task.answers, limits=UsageLimits()) as llm:
        over_http = replace(setup, llm=CountingModel(llm), verdicts=VerdictStore(task.answers))
        return [await _kept(rule, over_http, keep) for rule in rules]


def remembering_nothing(setup: TrialSetup, guide: Guide) -> TrialSetup:
    """The setup for another owner, whose counts do not depend on the owners before."""
    return replace(setup, llm=CountingModel(DirectGuide(guide)), verdicts=VerdictStore(MemoryByteStore()))


async def _kept(rule: Rule, setup: TrialSetup, keep: Callable[[OwnerRun], None]) -> OwnerRun:
    run = await one_owner(rule, setup)
    keep(run)
    return run


async def one_owner(rule: Rule, setup: TrialSetup) -> OwnerRun:
    """One owner: the conversation, the classifier, the controls."""
    options = setup.options
    seed = RULES.index(rule)
    truth = truth_of(rule_in_force(rule, options), setup.world)
    weights = np.ones(len(truth))
    if options.variant == "rare":
        setup = replace(setup, world=with_few(rule, setup.world, seed=options.seed))
        weights = weights_for(truth, share=RARE_SHARE)
    trial = await talk_and_build(
        rule, owner_of(rule, setup), talk(options), setup, name=TALK, read=True, follow=True
    )
    found, random = await controls_of(rule, trial.concept, setup)
    own = {name: measured(truth, judged.calls, seed=seed, weights=weights) for name, judged in found.items()}
    talks = {TALK: trial} if random is None else {TALK: trial, RANDOM: random}
    stages = {name: followed(truth, each, seed=seed, weights=weights) for name, each in talks.items()}
    if trial.teacher is None:
        raise RuntimeError("the annotator was not asked about the held-out pictures")
    teacher = measured(truth, trial.teacher.calls, seed=seed, weights=weights)
    student = measured(truth, trial.student.calls, seed=seed, weights=weights)
    scores = {name: control_score(truth, found[name], one, weights) for name, one in own.items()}
    result = owner_result(rule, trial, truth, weights, teacher, student, scores).model_copy(
        update={"seed": options.seed, "stages": {name: stage_rows(each) for name, each in stages.items()}}
    )
    return OwnerRun(result=result, teacher=teacher, student=student, controls=own, stages=stages)


def followed(truth: Floats, trial: Trial, *, seed: int, weights: Floats) -> Stages:
    """The annotator's F1 through a conversation; each definition is measured once."""
    scores: dict[Definition, HeldOutF1] = {}
    for stage, judged in trial.followed:
        if stage.definition not in scores:
            scores[stage.definition] = measured(truth, judged.calls, seed=seed, weights=weights)
    places = {definition: place for place, definition in enumerate(scores)}
    return Stages(
        labels=tuple(stage.labels for stage, _ in trial.followed),
        place=tuple(places[stage.definition] for stage, _ in trial.followed),
        scores=tuple(scores.values()),
    )


def stage_rows(stages: Stages) -> tuple[AtStage, ...]:
    """The stages as they are printed."""
    rows = [stages.after(boards) for boards in range(len(stages.place))]
    return tuple(AtStage(labels=labels, f1=round(score.value, 4)) for labels, score in rows)


def simulated(options: SimulateOptions, runs: Sequence[OwnerRun], *, seconds: float) -> SimulateResult:
    """Put the owners' runs together, in the order of the rules."""
    places = {rule.key: place for place, rule in enumerate(RULES)}
    ordered = sorted(runs, key=lambda run: (places[run.result.rule], run.result.seed))
    return SimulateResult(
        variant=options.variant,
        seed=options.seed,
        worlds=options.worlds,
        pool=options.pool,
        held_out=options.held_out,
        guide=options.guide,
        owners=tuple(run.result for run in ordered),
        pooled=pooled_result(ordered),
        seconds=round(seconds, 1),
        notes=(NOTE,),
    )


def talk(options: SimulateOptions, **changed: object) -> DefineOptions:
    """How a conversation goes."""
    return DefineOptions.model_validate(
        {
            "boards": options.boards,
            "labels": options.labels,
            "blind": options.blind,
            "questions": options.questions,
            "blind_batch": max(1, options.blind),
            **changed,
        }
    )


def owner_of(rule: Rule, setup: TrialSetup) -> SimulatedOwner:
    """A fresh owner: every condition talks to somebody who remembers nothing."""
    options = setup.options
    later = following(rule) if options.variant == "midway" else None
    return SimulatedOwner(rule, setup.world.scene, variant=options.variant, later=later, seed=options.seed)


def rule_in_force(rule: Rule, options: SimulateOptions) -> Rule:
    """The rule that everything is measured by: where it changes midway, the one it changed to."""
    return following(rule) if options.variant == "midway" else rule


def following(rule: Rule) -> Rule:
    """The next rule of the list, as what an owner changes her mind to; name and purpose stay."""
    other = RULES[(RULES.index(rule) + 1) % len(RULES)]
    return Rule(rule.key, rule.name, rule.purpose, rule.difficulty, other.decision)


def with_few(rule: Rule, world: OwnersWorld, *, seed: int) -> OwnersWorld:
    """The world with a pool in which few pictures are in; the held-out ones stay, to be weighted."""
    inside = [rule.inside(world.scene.of(image.content_hash)) for image in world.pool.images]
    return replace(world, pool=thinned(world.pool, inside, share=RARE_SHARE, seed=seed))


def truth_of(rule: Rule, world: OwnersWorld) -> Floats:
    """Which held-out pictures are in, by the rule `[N]`."""
    return np.array([float(rule.inside(world.scene.of(i.content_hash))) for i in world.held_out.images])


async def controls_of(
    rule: Rule, concept: Concept, setup: TrialSetup
) -> tuple[dict[str, Judged], Trial | None]:
    """What each control says of the held-out pictures, and the conversation over random boards, if there was.

    A control that cannot be had is left out.
    """
    found: dict[str, Judged] = {}
    random: Trial | None = None
    for name in setup.options.controls:
        match name:
            case "name_only":
                found[name] = by_name(concept, setup)
            case "same_labels_head":
                judged = by_labels(concept, setup)
                found |= {} if judged is None else {name: judged}
            case _:
                trial = await _another(name, rule, setup)
                found |= {name: trial.student} if trial.taught else {}
                random = trial if name == RANDOM else random
    return found, random


async def _another(
    name: Literal["static_prompt", "random_boards", "no_conversation"], rule: Rule, setup: TrialSetup
) -> Trial:
    """The same concept under another condition."""
    match name:
        case "static_prompt":
            return await from_static_prompt(rule, setup)
        case "random_boards":
            condition = talk(setup.options, kind="random")
        case "no_conversation":
            condition = talk(setup.options, conversation=False, blind=0)
    return await talk_and_build(
        rule, owner_of(rule, setup), condition, setup, name=name, follow=name == RANDOM
    )


def control_score(truth: Floats, judged: Judged, one: HeldOutF1, weights: Floats) -> ControlScore:
    """A control as it is printed."""
    auprc = float(agreement.average_precision(truth, judged.scores, weights[None])[0])
    return ControlScore(f1=round(one.value, 4), ci95=one.ci95, auprc=round(auprc, 4))


def owner_result(
    rule: Rule,
    trial: Trial,
    truth: Floats,
    weights: Floats,
    teacher: HeldOutF1,
    student: HeldOutF1,
    controls: Mapping[str, ControlScore],
) -> OwnerResult:
    """One owner as printed."""
    rows = weights[None]
    pairs = [(a.value, b.value) for a, b in repeats(trial.concept) if "unsure" not in (a.value, b.value)]
    first, second = (np.array([float(pair[side] == "in") for pair in pairs]) for side in (0, 1))
    definition = trial.concept.definition
    return OwnerResult(
        rule=rule.key,
        difficulty=rule.difficulty,
        prevalence=round(float(np.average(truth, weights=weights)), 4),
        f1=round(teacher.value, 4),
        ci95=teacher.ci95,
        student_f1=round(student.value, 4),
        student_ci95=student.ci95,
        auprc=round(float(agreement.average_precision(truth, trial.student.scores, rows)[0]), 4),
        kappa_owner_annotator=(
            None if trial.teacher is None else number(agreement.kappa(truth, trial.teacher.calls, rows)[0])
        ),
        kappa_from_instructions=(
            None if trial.reader is None else number(agreement.kappa(truth, trial.reader.calls, rows)[0])
        ),
        self_kappa=(
            None if not pairs else number(agreement.kappa(first, second, np.ones((1, len(pairs))))[0])
        ),
        labels_used=trial.labels,
        questions=trial.questions,
        vlm_calls=trial.calls,
        boards=trial.boards,
        edits=accepted_edits(trial.concept),
        stop_reason=trial.stop_reason,
        clauses=tuple(f"{clause.role}: {clause.text}" for clause in definition.active),
        controls=dict(controls),
    )


def accepted_edits(concept: Concept) -> int:
    """Edits that were made; those that the owner turned down stand among the decisions too."""
    return sum(d.kind == "edit" and d.answer.startswith("accepted") for d in concept.decisions)


def number(value: float) -> float | None:
    """A number for a record; None where it is undefined."""
    return None if math.isnan(value) else round(float(value), 4)
