"""Ends a prompt search: measures on the test images once, and writes book, class matrix and figures."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor

from fieldmark.agents.optimize.ablation import Reflected, ablate
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.folds import Folds
from fieldmark.agents.optimize.history import CURVE
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.agents.optimize.reflect import Reflections
from fieldmark.agents.optimize.search import class_matrix
from fieldmark.cache.folders import write_whole
from fieldmark.reading import open_regular
from fieldmark.records import GivenLabel, Record
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.events import RunFinished
from fieldmark.tools.search.acceptance import improves
from fieldmark.tools.search.candidates import PromptCandidate
from fieldmark.tools.statistics.intervals import bootstrap_mean, paired_difference
from fieldmark.tools.statistics.resample import Gain

RESULT = "optimize.json"
MATRIX = "class_matrix.safetensors"
MOST_CONFUSIONS = 30
"""Confusions that are listed of each kind."""
MOST_JUDGES = 240
"""The most test images that a book takes along: each is encoded with every pool."""


class BookScore(Record):
    """How a book does."""

    train_top1: float
    test_top1: float | None
    """None where there are no test images."""
    ci95: tuple[float, float] | None
    fitness: float
    prompts: int


class CurvePoint(Record):
    """The fittest book after a generation of the class search."""

    generation: int
    stage: str
    fitness: float
    train_top1: float
    test_top1: float | None


class ClassScore(Record):
    """How the test images of one class do, in counts."""

    images: int
    start: int
    """Those that the start has right."""
    best: int


Confusion = tuple[str, str, int, int]
"""True class, what it was taken for, and how many test images at the start and in the end."""


class SearchResult(Record):
    """What a prompt search found; `optimize.json` in the run's folder."""

    format: Literal["fieldmark.optimized/1"] = "fieldmark.optimized/1"
    start: BookScore
    best: BookScore
    gain: Gain | None
    kept_start: bool
    """Whether nothing fitter than the start was found."""
    templates: tuple[str, ...]
    generations: int
    candidates: int
    curve: tuple[CurvePoint, ...] = Field(default=())
    folds: Folds | None = None
    """What cross-validation found and chose; None where there was none."""
    changes: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = Field(default_factory=dict)
    """Class → texts of the best book that the start did not have, and texts that only the start had."""
    by_class: dict[str, ClassScore] = Field(default_factory=dict)
    """Every class that has test images."""
    vanished: tuple[Confusion, ...] = ()
    """Confusions that became rarer: the largest changes first, at most `MOST_CONFUSIONS`."""
    appeared: tuple[Confusion, ...] = ()
    """Confusions that became more frequent."""
    rarer: int = 0
    """How many confusions became rarer, those not listed included."""
    more_frequent: int = 0
    reflect: Reflected | None = None
    """What reflecting did; None where it was not asked for."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a search ended with.

    Attributes:
        start: The book that it started from.
        best: The fittest book.
        pool: All units.
        vectors: Their vectors `[U, D]`.
        generations: Generations done.
        candidates: Candidates scored.
        templates: The templates of the units.
        curve_size: Bytes of the curve that the last checkpoint knew of.
        folds: What cross-validation found.
        reflections: Passes that were reflected on before, and what came of it; None where none was to be.
    """

    start: PromptCandidate
    best: PromptCandidate
    pool: PromptPool
    vectors: Tensor
    generations: int
    candidates: int
    templates: Sequence[str]
    curve_size: int
    folds: Folds | None
    reflections: tuple[int, Reflections] | None = None

    def labelled(self, book: PromptCandidate, images: Tensor) -> Tensor:
        """The class that a book gives each image `[N]`."""
        return (images @ class_matrix(book.parts, self.pool, self.vectors).T).argmax(1)


@dataclass(frozen=True)
class BookMeasurement:
    """How a book does, and what it says of each of the N test images; None where there are none."""

    score: BookScore
    right: np.ndarray | None = None
    labelled: Tensor | None = None


def measure_and_write(ended: Ended, context: OptimizeContext) -> SearchResult:
    """Measure the start and the best book on the test images, and write everything."""
    images, labels = usable_test_images(context)
    start, best = (measured(book, images, labels, ended, context) for book in (ended.start, ended.best))
    confused = _confusions(start.labelled, best.labelled, labels, ended.pool)
    rarer = sorted((c for c in confused if c[3] < c[2]), key=lambda c: c[3] - c[2])
    more_frequent = sorted((c for c in confused if c[3] > c[2]), key=lambda c: c[2] - c[3])
    found = SearchResult(
        start=start.score,
        best=best.score,
        gain=gain_of(start, best, labels),
        kept_start=not improves(ended.best, ended.start),
        templates=tuple(ended.templates),
        generations=ended.generations,
        candidates=ended.candidates,
        curve=tuple(
            _curve(images, labels, ended.pool, ended.vectors, size=ended.curve_size, context=context)
        ),
        folds=ended.folds,
        changes=_changes(ended.start, ended.best, ended.pool),
        by_class=_by_class(start.right, best.right, labels, ended.pool),
        vanished=tuple(rarer[:MOST_CONFUSIONS]),
        appeared=tuple(more_frequent[:MOST_CONFUSIONS]),
        rarer=len(rarer),
        more_frequent=len(more_frequent),
        reflect=_reflected(ended, images, labels),
    )
    write_found(found, ended, context)
    return found


def usable_test_images(context: OptimizeContext) -> tuple[Tensor | None, Tensor | None]:
    """Vectors `[N, D]` float64 and classes `[N]` of the usable test images; None where there are none."""
    if not context.test:
        return None, None
    test = context.encoder.encode_images(context.test)
    return test.vectors[test.ok].to(torch.float64), context.label_indices(context.test)[test.ok]


def measured(
    book: PromptCandidate,
    images: Tensor | None,
    labels: Tensor | None,
    ended: Ended,
    context: OptimizeContext,
) -> BookMeasurement:
    """How a book does on the training images, and on the test images where there are any."""
    score = BookScore(
        train_top1=round(float((ended.labelled(book, context.vectors) == context.labels).double().mean()), 4),
        test_top1=None,
        ci95=None,
        fitness=book.fitness,
        prompts=len(ended.pool.book(book.parts, "").prompts),
    )
    if images is None or labels is None or not len(labels):
        return BookMeasurement(score)
    labelled = ended.labelled(book, images)
    right = (labelled == labels).numpy()
    mean = bootstrap_mean(right, labels.numpy())
    on_test = {"test_top1": round(mean.value, 4), "ci95": mean.ci95}
    return BookMeasurement(score.model_copy(update=on_test), right, labelled)


def gain_of(start: BookMeasurement, best: BookMeasurement, labels: Tensor | None) -> Gain | None:
    """The paired test of the two on the test images; None where there are none."""
    if start.right is None or best.right is None or labels is None:
        return None
    return Gain.of(paired_difference(best.right, start.right, labels.numpy()))


def write_found(found: SearchResult, ended: Ended, context: OptimizeContext) -> None:
    """Write both books, the class matrix of the best one, and the figures."""
    noun = context.options.noun
    context.run.write("start_book.json", ended.pool.book(ended.start.parts, noun))
    book = ended.pool.book(ended.best.parts, noun)
    used = {"labelled": labelled_images(context.usable), "held_out": labelled_images(judges(context.test))}
    context.run.write_book(book.model_copy(update=used))
    matrix = class_matrix(ended.best.parts, ended.pool, ended.vectors).to(torch.float32).contiguous()
    about = {
        "format": "fieldmark.class_matrix/1",
        "classes": list(ended.pool.classes),
        "encoder": context.encoder.identity,
        "logit_scale": context.encoder.logit_scale,
    }
    # One entry alone: safetensors writes several in no fixed order.
    metadata = {"fieldmark": json.dumps(about, ensure_ascii=False)}
    write_whole(context.run.path / MATRIX, (save({"class_vectors": matrix}, metadata=metadata),))
    context.run.write(RESULT, found)
    context.run.event(RunFinished(stop_reason="searched"))


def labelled_images(images: Sequence[ImageFile]) -> tuple[GivenLabel, ...]:
    """Labelled images, for a run that classifies with the book."""
    return tuple(
        GivenLabel(
            image=str(image.path), image_hash=image.content_hash, answer="class", label=str(image.label)
        )
        for image in images
    )


def judges(test: Sequence[ImageFile]) -> list[ImageFile]:
    """At most `MOST_JUDGES` of the test images: the first of each class, then the second, and so on."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for place, image in enumerate(test):
        turns.append((seen[str(image.label)], place))
        seen[str(image.label)] += 1
    return [test[place] for _, place in sorted(turns)[:MOST_JUDGES]]


def _reflected(ended: Ended, images: Tensor | None, labels: Tensor | None) -> Reflected | None:
    if ended.reflections is None:
        return None
    passes, reflections = ended.reflections
    return ablate(
        reflections,
        ended.best.parts,
        ended.pool,
        ended.vectors,
        passes=passes,
        images=images,
        labels=labels,
    )


def _curve(
    images: Tensor | None,
    labels: Tensor | None,
    pool: PromptPool,
    vectors: Tensor,
    *,
    size: int,
    context: OptimizeContext,
) -> list[CurvePoint]:
    """How the fittest book after each generation does, on training and on test images."""
    points: list[CurvePoint] = []
    book: set[int] = set()
    splits = [(context.vectors, context.labels)]
    if images is not None and labels is not None:
        splits.append((images, labels))
    logits = [torch.zeros(len(each), len(pool.classes), dtype=torch.float64) for each, _ in splits]
    with open_regular(context.run.path / CURVE) as file:
        rows = [json.loads(line) for line in file.read(size).splitlines()]
    for row in rows:
        if row["stage"] == "templates":
            continue
        changed = {pool.owners[part] for part in (*row["added"], *row["removed"])}
        if points and not changed:  # the fittest book is still the one before
            more = {"generation": row["generation"], "stage": row["stage"]}
            points.append(points[-1].model_copy(update=more))
            continue
        book = (book | set(row["added"])) - set(row["removed"])
        # Only the columns of classes whose units changed move.
        moved = sorted(changed) if points else list(range(len(pool.classes)))
        parts = sorted(unit for c in moved for unit in pool.slots[c] if unit in book)
        columns = class_matrix(parts, pool, vectors)[moved]
        for scores, (each, _) in zip(logits, splits, strict=True):
            scores[:, moved] = each @ columns.T
        top1 = [_top1(scores, true) for scores, (_, true) in zip(logits, splits, strict=True)]
        points.append(
            CurvePoint(
                generation=row["generation"],
                stage=row["stage"],
                fitness=row["fitness"],
                train_top1=top1[0],
                test_top1=top1[1] if len(top1) > 1 else None,
            )
        )
    return points


def _top1(scores: Tensor, labels: Tensor) -> float:
    return round(float((scores.argmax(1) == labels).double().mean()), 4)


def _changes(
    start: PromptCandidate, best: PromptCandidate, pool: PromptPool
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    before, after = set(start.parts), set(best.parts)
    changes: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for c, name in enumerate(pool.classes):
        slot = set(pool.slots[c])
        more = tuple(text for u in sorted(slot & after - before) for text in pool.units[u].texts)
        less = tuple(text for u in sorted(slot & before - after) for text in pool.units[u].texts)
        if more or less:
            changes[name] = (more, less)
    return changes


def _by_class(
    first: np.ndarray | None, last: np.ndarray | None, labels: Tensor | None, pool: PromptPool
) -> dict[str, ClassScore]:
    if first is None or last is None or labels is None:
        return {}
    classes = len(pool.classes)
    images, start, best = (
        np.bincount(labels.numpy(), weights=weights, minlength=classes).astype(int).tolist()
        for weights in (None, first, last)
    )
    return {
        name: ClassScore(images=images[c], start=start[c], best=best[c])
        for c, name in enumerate(pool.classes)
        if images[c]
    }


def _confusions(
    before: Tensor | None, after: Tensor | None, labels: Tensor | None, pool: PromptPool
) -> list[Confusion]:
    """Every confusion there is, in the order of the classes."""
    if before is None or after is None or labels is None:
        return []
    truth: list[int] = labels.tolist()
    old = Counter(zip(truth, before.tolist(), strict=True))
    new = Counter(zip(truth, after.tolist(), strict=True))
    names = pool.classes
    return [(names[a], names[b], old[a, b], new[a, b]) for a, b in sorted(old | new) if a != b]
