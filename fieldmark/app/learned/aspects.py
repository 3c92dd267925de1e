"""Has the aspects of a run's student written and looked for, within a budget, and says what that takes."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from pydantic import Field

from fieldmark.agents.resolve.learning import RunLesson
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted
from fieldmark.app.models import choose_models
from fieldmark.app.stores import CacheUse, Stores, answers_for, asked_by_name, asked_vlm, name_of
from fieldmark.errors import InputError, SettingsError
from fieldmark.prompts.aspects import MOST_CLASSES
from fieldmark.records import Options, Prediction, UsageLimits, Verdict
from fieldmark.tools.annotate.aspects import (
    LOOKING,
    as_clauses,
    aspect_questions,
    write_aspects,
)
from fieldmark.tools.annotate.confidence import LEAST_LABELS, Confidence, fitted
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.learned.aspects import (
    LEAST_SEEN,
    Aspect,
    AspectLesson,
    alike_sets,
    aspects_of_guide,
    merged,
)
from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import LookingStarted, OpenImagesSeen, Progress

WRITTEN_BEFORE = "field guide"
"""Who wrote aspects that nobody was asked for."""


_DROPPED = {
    "failed": "questions without an answer",
    "names_a_class": "statements that name a class",
    "splits_nothing": "statements that hold for all classes or none",
    "repeated": "statements that came twice",
    "too_many": "statements too many",
    "unlisted_class": "names that are no class",
}
"""Why something of an answer is dropped, in words."""


class AspectOptions(Options):
    """How many aspects a student gets, and who writes them."""

    most: int = Field(default=24, ge=1, le=200)
    """The most aspects."""
    images: int = Field(default=200, ge=1, le=100_000)
    """The most images that are looked at, each with one question."""
    by: Literal["model", "guide"] = "model"
    """Who writes them: a language model, for the classes of the run; or what the run's answers say."""
    seed: int = 0
    """Decides which images are looked at."""


@dataclass(frozen=True)
class AspectModels:
    """The models, opened.

    Attributes:
        llm: Writes aspects; None where the run's answers do.
        vlm: Looks at images.
        store: Where verdicts are kept.
    """

    llm: AskedModel | None
    vlm: AskedModel
    store: VerdictStore


@dataclass(frozen=True, kw_only=True)
class StudentAspects:
    """Reasons for the student of an export: what is asked, of whom, and what that may take.

    Attributes:
        vlm: The vision-language model that looks at images, or its name.
        options: How many aspects and images, and who writes the aspects.
        llm: The language model that writes them, or its name; the settings' where not given.
        base_url: Its endpoint.
        vlm_base_url: That of the vision-language model; the same where not given.
        limits: The most that may be spent on both.
        cache: "use" kept answers, "refresh" every one, or "off".
    """

    vlm: LanguageModel | str
    options: AspectOptions = field(default_factory=AspectOptions)
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    vlm_base_url: str | None = None
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"

    @asynccontextmanager
    async def models(self, stores: Stores) -> AsyncIterator[AspectModels]:
        """Open the models.

        Raises:
            SettingsError: No language model is named, and aspects are to be written by one.
        """
        writes = self.options.by == "model"
        chosen = choose_models(llm=name_of(self.llm), base_url=self.base_url)
        if writes and chosen.llm is None:
            raise SettingsError(
                "Aspects are written by a language model, and none is named.",
                hint="Name one, set FIELDMARK_LLM, or take them from the run's field guide.",
                field="llm",
            )
        opened = asked_by_name(
            self.llm, chosen.llm if writes else None, stores, base_url=chosen.base_url, limits=self.limits,
            cache=self.cache,
        )  # fmt: skip
        async with opened as llm:
            seeing = asked_vlm(
                self.vlm, stores, beside=llm, llm=(chosen.base_url, None), base_url=self.vlm_base_url,
                limits=self.limits, cache=self.cache,
            )  # fmt: skip
            async with seeing as vlm:
                if vlm is None:
                    raise SettingsError("No model looks at images.", hint="Name one.", field="vlm")
                verdicts = VerdictStore(answers_for(self.cache, stores), refresh=self.cache == "refresh")
                yield AspectModels(llm, vlm, verdicts)


@dataclass(frozen=True)
class SeenAspects:
    """Aspects that were looked for.

    Attributes:
        lesson: What was seen, of all images of the pool.
        written_by: The language model, or `WRITTEN_BEFORE`.
        seen_by: The vision-language model.
        calibrated: How probabilities were calibrated.
        notes: What a reader must know.
    """

    lesson: AspectLesson
    written_by: str
    seen_by: str
    calibrated: Confidence
    notes: tuple[str, ...]


async def see_aspects(
    lesson: RunLesson,
    predictions: Sequence[Prediction],
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    noun: str,
    options: AspectOptions,
    models: AspectModels,
    progress: Progress,
) -> SeenAspects:
    """Have aspects written for the classes of a run, and looked for in some of its images.

    What is said of an image is stored the moment it arrives: whoever breaks off goes on with the same call.

    Args:
        lesson: What the run learned.
        predictions: What it said of each image.
        images: The images, in the same order.
        classes: The classes, in the order of the lesson's columns.
        noun: The generic word for all classes.
        options: How many, and who writes them.
        models: Who writes them, and who looks.
        progress: Called with progress events.

    Raises:
        InputError: No aspect can be had, or too few images have an answer.
        EndpointError: A model cannot be asked.
        LimitReached: A limit was met.
    """
    llm, vlm = models.llm, models.vlm
    aspects, dropped = await _written(lesson, classes, noun, options, llm)
    if not aspects:
        raise InputError(
            "Nothing splits the classes: no aspect is left" + _dropped_words(dropped) + ".",
            hint="Have them written by another model, or export without.",
            field="aspects",
        )
    rows = rows_to_see(lesson, predictions, options)
    annotator = VlmAnnotator(vlm, model=await vlm.identify(), store=models.store).looking(LOOKING)
    progress(LookingStarted(images=len(rows)))
    verdicts = await annotator.judge(
        [images[row] for row in rows],
        as_clauses([each.text for each in aspects]),
        progress=lambda done, total: progress(OpenImagesSeen(done=done, of=total)),
    )
    said = _stated_of(aspects, predictions, rows, verdicts)
    sure = fitted(said)
    p = torch.full((len(images), len(aspects)), 0.5)
    known = torch.zeros(len(images), len(aspects))
    for row, verdict in zip(rows, verdicts, strict=True):
        for a, clause in enumerate(verdict.clauses):
            if clause.p is not None:
                p[row, a], known[row, a] = sure.of(clause.p), 1.0
    told = AspectLesson(aspects, p, known)
    seen = told.with_both_answers()
    if not seen.aspects:
        raise InputError(
            f"{_why_none(told, len(rows), annotator.failures)}: no aspect can be learned.",
            hint="Show it more images, or use a model that sees them (`fieldmark doctor` tells).",
            field="aspects",
        )
    gone = len(aspects) - len(seen.aspects)
    notes = [
        *(f"Dropped of the answers: {number:,} {_DROPPED.get(why, why)}." for why, number in dropped.items()),
        *(
            [f"Aspects left out, as all answers are the same or there are hardly any: {gone:,}."]
            if gone
            else []
        ),
        *(f"Images without an answer ({why}): {number:,}." for why, number in annotator.failures.items()),
    ]
    by = WRITTEN_BEFORE if llm is None or options.by == "guide" else llm.model
    return SeenAspects(seen, by, vlm.model, sure, tuple(notes))


def _dropped_words(dropped: Mapping[str, int]) -> str:
    told = ", ".join(f"{number:,} {_DROPPED.get(why, why)}" for why, number in dropped.items())
    return f" (dropped: {told})" if told else ""


def _why_none(told: AspectLesson, images: int, failures: Mapping[str, int]) -> str:
    """Why no aspect has both answers often enough."""
    answers = told.known.sum(0)
    failed = sum(failures.values())
    if not bool(answers.any()):
        if failed >= images:
            return f"None of {images:,} images has an answer ({', '.join(failures)})"
        return f'Of {images:,} images {failed:,} have no answer, and of the others all say "cannot tell"'
    if bool((answers >= LEAST_SEEN).any()):
        return (
            f"Of {images:,} images all answers to a statement are the same, or fewer than {LEAST_SEEN} "
            'say "yes" or "no"'
        )
    return f'Of {images:,} images fewer than {LEAST_SEEN} have a "yes" or "no" to any statement'


async def estimate_aspects(
    lesson: RunLesson,
    predictions: Sequence[Prediction],
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    noun: str,
    options: AspectOptions,
    models: AspectModels,
) -> CallEstimate:
    """What `see_aspects` would ask, with the same arguments; asks nothing.

    Which answers about images are stored already is known only where the aspects are written.
    """
    llm, vlm = models.llm, models.vlm
    first = FirstLook()
    texts = ["a statement of the usual length about what an image shows"] * options.most
    written = options.by == "guide"
    if llm is not None and options.by == "model":
        asked = [
            question for question, _ in aspect_questions(_sets(lesson, classes), noun=noun, most=options.most)
        ]
        first = await counted(asked, llm)
        written = not first.to_ask
    if written:
        texts = [each.text for each in (await _written(lesson, classes, noun, options, llm))[0]]
    rows = rows_to_see(lesson, predictions, options)
    annotator = VlmAnnotator(vlm, model=await vlm.identify(), store=models.store).looking(LOOKING)
    clauses = as_clauses([f"{text} {a}" for a, text in enumerate(texts)] if not written else texts)
    left = [row for row in rows if annotator.open_clauses(images[row], clauses)] if written else rows
    room = vlm.room(annotator.foretold(clauses.active)[0])
    return CallEstimate(
        images=len(images),
        classes=len(classes),
        model=None if llm is None else llm.model,
        noun=noun,
        first_look=first,
        follow_up_most=0,
        vlm=vlm.model,
        most_vlm_images=len(left),
        vlm_tokens=len(left) * room.total,
    )


def rows_to_see(lesson: RunLesson, predictions: Sequence[Prediction], options: AspectOptions) -> list[int]:
    """Rows of the images to look at: of each label by turns, so that rare ones are among them.

    More images add to fewer: their order depends on nothing but the images and the seed.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for row, prediction in enumerate(predictions):
        if float(lesson.pool.weight[row]) > 0:
            by_label[prediction.label].append(row)
    order: list[tuple[int, float, int]] = []
    for rows in by_label.values():
        own = sorted(rows, key=lambda row: _draw(options.seed, predictions[row].image_hash))
        order += [
            (turn, _draw(options.seed, predictions[row].image_hash), row) for turn, row in enumerate(own)
        ]
    return sorted(row for *_, row in sorted(order)[: options.images])


def _draw(seed: int, image: str) -> float:
    return random.Random(f"fieldmark aspects {seed} {image}").random()


def _sets(lesson: RunLesson, classes: Sequence[str]) -> list[list[str]]:
    means = ClassMeans.of(lesson.pool).means
    return [[classes[row] for row in rows] for rows in alike_sets(means, MOST_CLASSES)]


async def _written(
    lesson: RunLesson, classes: Sequence[str], noun: str, options: AspectOptions, llm: AskedModel | None
) -> tuple[tuple[Aspect, ...], dict[str, int]]:
    if options.by == "guide" or llm is None:
        if lesson.guide is None or not lesson.guide.attributes:
            raise InputError(
                "The run asked nothing: it has no field guide to take aspects from.",
                hint="Have a language model write them.",
                field="aspects",
            )
        return aspects_of_guide(lesson.guide, most=options.most), {}
    found = await write_aspects(llm, _sets(lesson, classes), noun=noun, most=options.most)
    return merged(found.parts), found.dropped


def _stated_of(
    aspects: Sequence[Aspect],
    predictions: Sequence[Prediction],
    rows: Sequence[int],
    verdicts: Sequence[Verdict],
) -> list[tuple[float, float]]:
    """What the model told of images, and what is stated of their classes, to calibrate the one by the other.

    The classes are those that people gave; where these are few, those of the images that the run resolved.
    """
    by_people = [p.decided_by == "label" and p.status != "rejected" for p in predictions]
    if sum(by_people[row] for row in rows) < LEAST_LABELS:
        by_people = [p.status == "resolved" for p in predictions]
    found: list[tuple[float, float]] = []
    for row, verdict in zip(rows, verdicts, strict=True):
        if not by_people[row]:
            continue
        label = predictions[row].label
        for aspect, clause in zip(aspects, verdict.clauses, strict=True):
            if clause.p is not None and (label in aspect.holds or label in aspect.fails):
                found.append((clause.p, float(label in aspect.holds)))
    return found
