"""One concept under one condition: talk with its simulated owner, build, and judge the held-out pictures."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.looks import annotator_looking
from fieldmark.agents.build.options import BuildOptions
from fieldmark.agents.build.run import run_build
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.progress import counts
from fieldmark.agents.define.run import converse
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.owner import SimulatedOwner
from fieldmark.evals.owners.rules import Rule
from fieldmark.evals.owners.world import OwnersWorld
from fieldmark.reading import read_text
from fieldmark.records import Clause, Concept, Definition, Verdict
from fieldmark.tools.annotate.document import DocumentAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.built import INSTRUCTIONS
from fieldmark.tools.concepts.changes import blind_labels, dev_labels, with_version
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.concepts.heads.choose import choose_head
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.concepts.heads.train import Examples
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import Progress, StepFailed
from fieldmark.tools.runs.folder import now
from fieldmark.tools.statistics.agreement import best_threshold

Floats = NDArray[np.float64]
MODELS = "models"


@dataclass(frozen=True)
class Judged:
    """What somebody says of the held-out pictures, in their order.

    Attributes:
        scores: `[N]`, higher is likelier in.
        calls: `[N]` 1 for in, 0 for out.
        certain: `[N]` whether there is a judgement; where not, the call is out and the score 0.
    """

    scores: Floats
    calls: Floats
    certain: NDArray[np.bool_]


@dataclass(frozen=True)
class Stage:
    """A conversation after some board.

    Attributes:
        labels: Labels outside of the blind test that the owner had given by then, repeats included.
        definition: The definition in force when the next board was laid out.
    """

    labels: int
    definition: Definition


@dataclass(frozen=True)
class Trial:
    """A concept talked over and built.

    Attributes:
        concept: The concept as it was left.
        student: The classifier; one that could not be built calls nothing in.
        taught: Whether it could be built.
        teacher: The annotator it learned from; None where it was not asked.
        reader: An annotator that was given the instructions alone; None where none was asked.
        stop_reason: Why the conversation ended.
        boards: How many boards there were.
        labels: Labels that the owner gave, repeats and the blind test included.
        questions: Questions that the owner answered.
        calls: Questions to the models asked anew, for the conversation and the classifier.
        followed: What the annotator says by the definition of each stage of the conversation; empty where it
            was not followed.
    """

    concept: Concept
    student: Judged
    taught: bool
    teacher: Judged | None
    reader: Judged | None
    stop_reason: str
    boards: int
    labels: int
    questions: int
    calls: int
    followed: tuple[tuple[Stage, Judged], ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrialSetup:
    """What all trials share.

    Attributes:
        world: The pictures.
        encoder: The CLIP encoder.
        llm: The guide, counted.
        model: What its answers depend on.
        verdicts: Where verdicts are kept.
        home: Folder for the concepts' folders.
        options: What is simulated.
        progress: Shows progress.
    """

    world: OwnersWorld
    encoder: Encoder
    llm: CountingModel
    model: str
    verdicts: VerdictStore
    home: Path
    options: SimulateOptions
    progress: Progress


async def talk_and_build(
    rule: Rule,
    owner: SimulatedOwner,
    condition: DefineOptions,
    setup: TrialSetup,
    *,
    name: str,
    read: bool = False,
    follow: bool = False,
) -> Trial:
    """Talk with an owner under some condition, build the classifier, and judge the held-out pictures.

    Args:
        rule: For the concept's name and purpose; what is hidden in it stays with the owner.
        owner: The simulated person who answers.
        condition: How the conversation goes.
        setup: What all trials share.
        name: Of the condition.
        read: Also have the annotator judge the held-out pictures, and another one by the instructions alone.
        follow: Also have it judge them by the definition as it was after each board.
    """
    folder = fresh_folder(setup, name, rule)
    folder.save(Concept(name=rule.name, purpose=rule.purpose, seed=setup.options.seed))
    folder.save_pool(setup.world.pool.images)
    annotator = VlmAnnotator(setup.llm, model=setup.model, store=setup.verdicts)
    asked = setup.llm.calls
    talk = DefineContext(
        folder=folder,
        pool=setup.world.pool,
        encoder=setup.encoder,
        annotator=annotator,
        gap_finder=annotator,
        llm=CountingModel(setup.llm),
        arrays=ArrayStore(folder.path / "arrays"),
        options=condition,
        progress=setup.progress,
    )
    sitting = await converse(talk, owner)
    trial = await built(
        folder,
        annotator,
        setup,
        stop_reason=str(sitting.state.stop_reason),
        labels=owner.labels_given,
        questions=owner.questions_answered,
        asked=asked,
        read=read,
    )
    if not follow:
        return trial
    passed = stages(trial.concept)
    said: dict[Definition, Judged] = {}
    for stage in passed:  # few boards change the definition
        if stage.definition not in said:
            verdicts = await annotator.judge(setup.world.held_out.images, stage.definition)
            said[stage.definition] = judged_by(verdicts)
    return replace(trial, followed=tuple((stage, said[stage.definition]) for stage in passed))


async def from_static_prompt(rule: Rule, setup: TrialSetup) -> Trial:
    """Build from one long clause: all that the owner said before looking at pictures."""
    folder = fresh_folder(setup, "static_prompt", rule)
    concept = Concept(name=rule.name, purpose=rule.purpose, seed=setup.options.seed)
    said = f"The image shows one of the {rule.name}: {rule.purpose}"
    definition = Definition(clauses=(Clause(id="c1", role="necessary", text=said),))
    folder.save(with_version(concept, definition, why="static prompt", at=now()))
    annotator = VlmAnnotator(setup.llm, model=setup.model, store=setup.verdicts)
    return await built(
        folder,
        annotator,
        setup,
        stop_reason="no_conversation",
        labels=0,
        questions=0,
        asked=setup.llm.calls,
        read=False,
    )


def fresh_folder(setup: TrialSetup, condition: str, rule: Rule) -> ConceptFolder:
    """An empty folder for a concept under some condition; what a killed simulation left of it goes."""
    path = setup.home / condition / slug_of(rule.name)
    if path.exists():
        shutil.rmtree(path)
    return ConceptFolder(path)


async def built(
    folder: ConceptFolder,
    annotator: VlmAnnotator,
    setup: TrialSetup,
    *,
    stop_reason: str,
    labels: int,
    questions: int,
    asked: int,
    read: bool,
) -> Trial:
    """Build the version in force and judge the held-out pictures."""
    version = folder.load().current
    if setup.options.looks != "once":
        concept = folder.load()
        definition = concept.versions[version - 1].definition
        looking = await annotator_looking(
            annotator, setup.options.looks, concept, definition, setup.world.pool
        )
        annotator = looking.annotator
    context = BuildContext(
        folder=folder,
        version=version,
        out=folder.path / MODELS / f"v{version}",
        pool=setup.world.pool,
        encoder=setup.encoder,
        annotator=annotator,
        debater=annotator,
        llm=setup.llm,
        arrays=ArrayStore(folder.path / "arrays"),
        options=BuildOptions(annotate=setup.options.annotate, seed=setup.options.seed),
        progress=setup.progress,
    )
    student = nothing(len(setup.world.held_out))
    taught = True
    try:
        await run_build(context)
    except InputError as error:  # where the annotator understands no clause there is nothing to learn from
        setup.progress(StepFailed(kind="build", reason=str(error)))
        taught = False
    else:
        head, _ = load_head(context.out, setup.encoder)
        p, _ = head.probabilities(setup.world.held_out.vectors)
        calls = (p >= head.threshold).double().numpy()
        student = Judged(p.double().numpy(), calls, np.ones(len(p), dtype=np.bool_))
    spent = setup.llm.calls - asked  # what measuring asks is not the owner's to pay
    held_out = setup.world.held_out.images
    teacher = reader = None
    if read:
        teacher = judged_by(await annotator.judge(held_out, context.definition))
    if read and taught:
        text = read_text(context.out / INSTRUCTIONS)
        by_text = DocumentAnnotator(setup.llm, text, model=setup.model, store=setup.verdicts)
        reader = judged_by(await by_text.judge(held_out))
    concept = folder.load()
    return Trial(
        concept=concept,
        student=student,
        taught=taught,
        teacher=teacher,
        reader=reader,
        stop_reason=stop_reason,
        boards=sum(decision.kind == "board" for decision in concept.decisions),
        labels=labels,
        questions=questions,
        calls=spent,
    )


def nothing(count: int) -> Judged:
    """What a classifier says that is not there."""
    return Judged(np.zeros(count), np.zeros(count), np.zeros(count, dtype=np.bool_))


def judged_by(verdicts: tuple[Verdict, ...]) -> Judged:
    """What an annotator says, with silence counted as out."""
    return Judged(
        scores=np.array([0.0 if v.p is None else v.p for v in verdicts]),
        calls=np.array([float(v.call == "in") for v in verdicts]),
        certain=np.array([v.call in ("in", "out") for v in verdicts]),
    )


def by_name(concept: Concept, setup: TrialSetup) -> Judged:
    """The concept's name alone, its threshold set by F1 on everything that the owner labelled."""
    vector = setup.encoder.encode_texts([f"a photo of {concept.name}"])[0]
    rows, values = labelled(concept, setup)
    scores = (setup.world.held_out.vectors @ vector).double().numpy()
    threshold = best_threshold(values, (setup.world.pool.vectors[rows] @ vector).double().numpy())
    return Judged(scores, (scores >= threshold).astype(np.float64), np.ones(len(scores), dtype=np.bool_))


def by_labels(concept: Concept, setup: TrialSetup) -> Judged | None:
    """A head fitted to all that the owner labelled, the blind test too; None with too little to learn."""
    rows, values = labelled(concept, setup)
    if min(values.sum(), (1 - values).sum()) < 2:
        return None
    ones = torch.ones(len(rows))
    target = torch.from_numpy(values).float()
    examples = Examples(setup.world.pool.vectors[rows], target, torch.zeros(len(rows), 0), ones, ones)
    head = choose_head(examples, Definition(), seed=setup.options.seed).head
    p, _ = head.probabilities(setup.world.held_out.vectors)
    calls = (p >= head.threshold).double().numpy()
    return Judged(p.double().numpy(), calls, np.ones(len(calls), dtype=np.bool_))


def labelled(concept: Concept, setup: TrialSetup) -> tuple[torch.Tensor, Floats]:
    """Rows of the pool that the owner labelled in or out, blind ones too, and the labels."""
    labels = {**blind_labels(concept), **dev_labels(concept)}
    sure = {image: label for image, label in labels.items() if label.value != "unsure"}
    rows = setup.world.pool.rows(list(sure))
    values = [float(label.value == "in") for image, label in sure.items() if image in setup.world.pool.row_of]
    return torch.tensor(rows, dtype=torch.int64), np.array(values)


def stages(concept: Concept) -> tuple[Stage, ...]:
    """The stage before the first board and that after each; none where there is no definition.

    A concept whose owner went back to an earlier version cannot be traced by its versions alone; it is taken
    as if she had not.
    """
    ends = [decision.at for decision in concept.decisions if decision.kind == "board"]
    given = [label.at for label in concept.labels if counts(label)]
    found: list[Stage] = []
    for number in range(len(ends) + 1):
        following = ends[number] if number < len(ends) else None
        versions = [v for v in concept.versions if following is None or v.at <= following]
        if versions:
            labels = sum(at <= ends[number - 1] for at in given) if number else 0
            found.append(Stage(labels, versions[-1].definition))
    return tuple(found)
