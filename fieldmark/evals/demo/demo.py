"""The demo: the ladder on freshly seeded worlds of the aviary, with intervals and paired tests."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from fieldmark.agents.resolve.grouping import ask_tree
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.pictures import NOUN
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import ByteStore
from fieldmark.errors import InputError
from fieldmark.evals.demo.ladder import RUNGS, Climb, Ladder, World, inner
from fieldmark.evals.demo.open_set import calibration, open_set
from fieldmark.evals.demo.results import (
    Ambiguous,
    Conditions,
    CurveAt,
    DemoResult,
    DemoSeconds,
    EncoderCount,
    LlmCount,
    PairedScore,
    Resolved,
    RungScore,
)
from fieldmark.evals.demo.robustness import Robustness, check_robustness
from fieldmark.evals.metrics.graded import graded_error
from fieldmark.evals.worlds.conditions import DEFAULT, WorldConditions
from fieldmark.evals.worlds.draw import draw_world, weakness_of
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import Usage, UsageLimits
from fieldmark.tools.clip.clip import Encoder
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.datasets.class_tree import TREE
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.llm.scripted import NOTE
from fieldmark.tools.runs.events import Progress, RobustnessStarted, WorldStarted
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.statistics.intervals import (
    bootstrap_mean,
    chosen_difference,
    paired_difference,
    pooled_clusters,
)
from fieldmark.tools.statistics.resample import Gain

PAIRED = (*(("resolve", rung) for rung in RUNGS if rung != "resolve"), ("descriptors", "names"))
MOST_LABELS = 1000
Right = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What to show.

    Attributes:
        seed: Seed of the first species book.
        books: How many books are pooled, seeded seed, seed + 1, …
        conditions: How hard the worlds are.
        labels: Labelled images of each class that are set apart.
        robustness: Also measure a pool with a quarter of the classes, and one image at a time.
        options: The resolve rung's options.
        tree: "ask" has the guide group the classes, so that the resolve rung gives open images a group.
    """

    seed: int = 7
    books: int = 1
    conditions: WorldConditions = DEFAULT
    labels: int = 0
    robustness: bool = False
    options: ResolveOptions = field(default_factory=ResolveOptions)
    tree: Literal["ask"] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.labels <= MOST_LABELS:
            raise InputError(
                f"labels cannot be {self.labels!r}.", hint=f"Give 0 to {MOST_LABELS}.", field="labels"
            )


async def run_demo(
    settings: DemoSettings,
    *,
    encoder: Encoder,
    answers: ByteStore,
    pictures: Path,
    run: RunFolder,
    progress: Progress,
) -> tuple[DemoResult, list[Climb]]:
    """Render the worlds, start a guide for each, climb the ladder, pool and test.

    Args:
        settings: What to show.
        encoder: The CLIP encoder.
        answers: Where answers are kept.
        pictures: Folder for rendered data sets; complete ones are reused.
        run: The run's folder.
        progress: Shows progress.

    Returns:
        The result, and each world's climb (for the report).
    """
    began = time.perf_counter()
    conditions = settings.conditions
    seen_through = encoder
    clock = {"render": 0.0, "llm": 0.0}
    usage = Usage()
    climbs: list[Climb] = []
    checks: list[Robustness] = []
    asked: dict[str, JsonValue] = {}
    for number in range(settings.books):
        seed = settings.seed + number
        progress(WorldStarted(number=number + 1, of=settings.books, seed=seed))
        started = time.perf_counter()
        drawn = draw_world(
            conditions, seed=seed, pictures=pictures, labels=settings.labels, progress=progress
        )
        world = World(
            classes=drawn.classes,
            noun=NOUN,
            images=drawn.images,
            labelled=drawn.labelled,
            prior=drawn.prior,
            groups=drawn.groups,
        )
        clock["render"] += time.perf_counter() - started
        folder = run if number == 0 else inner(run, f"book-{number + 1}")
        seen_through = weakened(encoder, weakness_of(conditions, seed))
        guide = Guide(drawn.species, GuideSettings(mistakes=conditions.mistakes))
        async with asked_over_http(guide, store=answers, limits=UsageLimits()) as chat:
            model = CountingModel(chat)
            ladder = Ladder(encoder=seen_through, llm=model, options=settings.options, progress=progress)
            tree = None
            if settings.tree:
                tree, _ = await ask_tree(world.classes, noun=NOUN, llm=model)
                folder.write(TREE, tree)
            climb = await ladder.climb(world, folder, tree=tree)
            if settings.robustness:
                progress(RobustnessStarted())
                checks.append(await check_robustness(ladder, climb, seed=seed))
            usage += chat.usage
            clock["llm"] += model.seconds
            asked = describe_model(chat)
        climbs.append(climb)
    total = time.perf_counter() - began
    result = pooled_result(
        climbs,
        settings=settings,
        usage=usage,
        encoder=encoder,
        seconds=DemoSeconds(
            total=round(total, 3),
            render=round(clock["render"], 3),
            encode=round(encoder.usage.seconds, 3),
            llm=round(clock["llm"], 3),
            score=round(total - clock["render"] - encoder.usage.seconds - clock["llm"], 3),
        ),
        robustness=Robustness.mean(checks) if checks else None,
        run=run,
    )
    write_manifest(
        run,
        seen_through,
        images=[image for climb in climbs for image in climb.world.images],
        language_model=asked,
        prompts=prompt_hashes(),
        usage=usage,
        stop_reason=climbs[0].state.stop_reason or "no_progress",
        counts={"images": result.images, "classes": result.classes, "books": settings.books},
        seed=settings.seed,
        notes=(NOTE,),
    )
    return result, climbs


def pooled_result(
    climbs: Sequence[Climb],
    *,
    settings: DemoSettings,
    usage: Usage,
    encoder: Encoder,
    seconds: DemoSeconds,
    robustness: Robustness | None,
    run: RunFolder,
) -> DemoResult:
    """Pool the worlds: intervals and tests resample species across all books."""
    clusters = pooled_clusters([climb.clusters for climb in climbs])
    right = {rung: np.concatenate([climb.right(rung) for climb in climbs]) for rung in RUNGS}
    used = encoder.usage
    return DemoResult(
        seed=settings.seed,
        books=settings.books,
        mistakes=settings.conditions.mistakes,
        images=len(clusters),
        labelled=sum(len(climb.world.labelled) for climb in climbs),
        classes=sum(len(climb.world.classes) for climb in climbs),
        ladder=tuple(_rung_score(rung, right[rung], clusters) for rung in RUNGS),
        paired=tuple(_paired_score(a, b, right, clusters) for a, b in PAIRED),
        resolved=meaning_of_resolved(climbs),
        ambiguous=_ambiguous(climbs),
        questions={rung: sum(climb.questions[rung] for climb in climbs) for rung in RUNGS},
        llm=LlmCount(
            requests=usage.requests,
            cached=usage.cached,
            failed=usage.failed,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        ),
        encoder=EncoderCount(
            images_encoded=used.images_encoded,
            texts_encoded=used.texts_encoded,
            distinct_images=used.distinct_images,
            distinct_texts=used.distinct_texts,
        ),
        seconds=seconds,
        robustness=robustness,
        conditions=Conditions(
            **vars(settings.conditions), labels=settings.labels, rule=settings.options.rule
        ),
        open_set=open_set(climbs),
        calibration=calibration(climbs),
        graded=graded_error([(c.listed_predictions, c.tree) for c in climbs if c.tree is not None]),
        questions_curve=questions_curve(climbs),
        views=tuple(views for climb in climbs if (views := climb.state.history[-1].views)),
        run=str(run.path),
    )


def meaning_of_resolved(climbs: Sequence[Climb]) -> Resolved:
    """Top-1 of resolved and of open images apart, and against as many images chosen by the first look."""
    right = np.concatenate([climb.right("resolve") for climb in climbs])
    first_right = np.concatenate([climb.right("descriptors") for climb in climbs])
    predictions = [p for climb in climbs for p in climb.listed_predictions]
    resolved = np.array([p.status == "resolved" for p in predictions])
    confidence = np.array([p.first_confidence or 0.0 for p in predictions])
    count = int(resolved.sum())
    chosen = np.zeros(len(resolved), dtype=np.bool_)
    chosen[np.argsort(-confidence, kind="stable")[:count]] = True
    gap = None
    if count:
        clusters = pooled_clusters([climb.clusters for climb in climbs])
        gap = Gain.of(
            chosen_difference(right, first_right, clusters, first_chosen=resolved, second_chosen=chosen)
        )
    return Resolved(
        count=count,
        top1=_mean(right[resolved]),
        open_top1=_mean(right[~resolved]),
        top1_at_equal_coverage_first_step=_mean(first_right[chosen]),
        at_equal_coverage=gap,
    )


def questions_curve(climbs: Sequence[Climb]) -> tuple[CurveAt, ...]:
    """Top-1 over listed images after each round; a book that stopped earlier stays as it stopped."""
    points: list[CurveAt] = []
    for number in range(max(len(climb.state.history) for climb in climbs)):
        asked, right = 0, []
        for climb in climbs:
            summary = climb.state.history[min(number, len(climb.state.history) - 1)]
            scores = ArrayStore(climb.run.path / "arrays").get(summary.scores)[: len(climb.world.listed)]
            asked += summary.questions + climb.questions["descriptors"]
            listed = climb.world.listed
            right.append(scores[listed].argmax(1) == climb.world.truth[listed])
        points.append(CurveAt(questions=asked, top1=_round(float(np.concatenate(right).mean()))))
    return tuple(points)


def _rung_score(name: str, right: Right, clusters: NDArray[np.int64]) -> RungScore:
    mean = bootstrap_mean(right, clusters)
    return RungScore(name=name, top1=_round(mean.value), ci95=mean.ci95)


def _paired_score(a: str, b: str, right: dict[str, Right], clusters: NDArray[np.int64]) -> PairedScore:
    gap = Gain.of(paired_difference(right[a], right[b], clusters))
    return PairedScore(a=a, b=b, difference=gap.difference, ci95=gap.ci95, p=gap.p)


def _ambiguous(climbs: Sequence[Climb]) -> Ambiguous:
    return Ambiguous(
        before=sum(climb.state.history[0].open for climb in climbs),
        after=sum(climb.state.history[-1].open for climb in climbs),
        rounds=max(climb.state.round for climb in climbs),
        stop_reasons=dict(Counter(climb.state.stop_reason or "no_progress" for climb in climbs)),
    )


def _mean(values: np.ndarray) -> float | None:
    return _round(float(values.mean())) if len(values) else None


def _round(value: float) -> float:
    return round(value, 4)
