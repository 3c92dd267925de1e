"""Ends a prompt search: looks at the test images once, and writes the book, its class matrix and the figures.

It knows nothing of how the search got there.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor

from fieldmark.agents.optimize_ablation import Reflected, ablate
from fieldmark.agents.optimize_context import OptimizeContext
from fieldmark.agents.optimize_folds import Folds
from fieldmark.agents.optimize_history import CURVE
from fieldmark.agents.optimize_pool import Pool
from fieldmark.agents.optimize_reflecting import Reflections
from fieldmark.agents.optimize_search import class_matrix
from fieldmark.cache.folders import write_whole
from fieldmark.records import Record
from fieldmark.tools.search.acceptance import improves
from fieldmark.tools.search.candidates import Candidate
from fieldmark.tools.statistics import bootstrap_mean, paired_difference

RESULT = "optimize.json"
MATRIX = "class_matrix.safetensors"
MOST_CONFUSIONS = 30
"""Confusions that are listed of each kind."""


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


class Gain(Record):
    """Test accuracy of the best book minus that of the start, on the same images."""

    difference: float
    ci95: tuple[float, float]
    p: float


class ClassScore(Record):
    """How the test images of one class do, in counts."""

    images: int
    start: int
    """Those that the start has right."""
    best: int


Confusion = tuple[str, str, int, int]
"""True class, what it was taken for, and how many test images at the start and in the end."""


class Found(Record):
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


def measure_and_write(
    *,
    start: Candidate,
    best: Candidate,
    pool: Pool,
    vectors: Tensor,
    counts: dict[str, int],
    templates: Sequence[str],
    curve_size: int,
    folds: Folds | None,
    context: OptimizeContext,
    reflections: tuple[int, Reflections] | None = None,
) -> Found:
    """Measure the start and the best book on the test images, and write everything.

    Args:
        start: The book that the search started from.
        best: The fittest book.
        pool: All units.
        vectors: Their vectors `[U, D]`.
        counts: "generations" and "candidates".
        templates: The templates of the units.
        curve_size: Bytes of the curve that the last checkpoint knew of.
        folds: What cross-validation found.
        context: The run.
        reflections: Passes that were reflected on before, and what came of it.
    """
    test = context.encoder.encode_images(context.test) if context.test else None
    labels = context.label_indices(context.test)[test.ok] if test is not None else None
    images = test.vectors[test.ok].to(torch.float64) if test is not None else None

    def predicted(book: Candidate, among: Tensor) -> Tensor:
        return (among @ class_matrix(book.parts, pool, vectors).T).argmax(1)

    def scored(book: Candidate) -> tuple[BookScore, np.ndarray | None, Tensor | None]:
        train = float((predicted(book, context.vectors) == context.labels).double().mean())
        prompts = len(pool.book(book.parts, "").prompts)
        if images is None or labels is None or not len(labels):
            score = BookScore(
                train_top1=round(train, 4),
                test_top1=None,
                ci95=None,
                fitness=book.fitness,
                prompts=prompts,
            )
            return score, None, None
        labelled = predicted(book, images)
        right = (labelled == labels).numpy()
        mean = bootstrap_mean(right, labels.numpy())
        score = BookScore(
            train_top1=round(train, 4),
            test_top1=round(mean.mean, 4),
            ci95=(round(mean.low, 4), round(mean.high, 4)),
            fitness=book.fitness,
            prompts=prompts,
        )
        return score, right, labelled

    first, first_right, before = scored(start)
    last, last_right, after = scored(best)
    gain = None
    if first_right is not None and last_right is not None and labels is not None:
        gap = paired_difference(last_right, first_right, labels.numpy())
        gain = Gain(
            difference=round(gap.mean, 4),
            ci95=(round(gap.low, 4), round(gap.high, 4)),
            p=float(f"{gap.p:.3g}"),
        )
    curve = _curve(images, labels, pool, vectors, size=curve_size, context=context)
    confused = _confusions(before, after, labels, pool)
    rarer = sorted((c for c in confused if c[3] < c[2]), key=lambda c: c[3] - c[2])
    more_frequent = sorted((c for c in confused if c[3] > c[2]), key=lambda c: c[2] - c[3])
    noun = context.options.noun
    written = pool.book(best.parts, noun)
    found = Found(
        start=first,
        best=last,
        gain=gain,
        kept_start=not improves(best, start),
        templates=tuple(templates),
        generations=counts["generations"],
        candidates=counts["candidates"],
        curve=tuple(curve),
        folds=folds,
        changes=_changes(start, best, pool),
        by_class=_by_class(first_right, last_right, labels, pool),
        vanished=tuple(rarer[:MOST_CONFUSIONS]),
        appeared=tuple(more_frequent[:MOST_CONFUSIONS]),
        rarer=len(rarer),
        more_frequent=len(more_frequent),
        reflect=None
        if reflections is None
        else ablate(
            reflections[1],
            best.parts,
            pool,
            vectors,
            passes=reflections[0],
            images=images,
            labels=labels,
        ),
    )
    context.run.write("start_book.json", pool.book(start.parts, noun))
    context.run.write_book(written)
    matrix = class_matrix(best.parts, pool, vectors).to(torch.float32).contiguous()
    about = {
        "format": "fieldmark.class_matrix/1",
        "classes": list(pool.classes),
        "encoder": context.encoder.identity,
        "logit_scale": context.encoder.logit_scale,
    }
    # One entry alone: safetensors writes several in no fixed order.
    metadata = {"fieldmark": json.dumps(about, ensure_ascii=False)}
    write_whole(context.run.path / MATRIX, (save({"class_vectors": matrix}, metadata=metadata),))
    context.run.write(RESULT, found)
    context.run.event("finished", stop_reason="searched")
    return found


def _curve(
    images: Tensor | None,
    labels: Tensor | None,
    pool: Pool,
    vectors: Tensor,
    *,
    size: int,
    context: OptimizeContext,
) -> list[CurvePoint]:
    """How the fittest book after each generation does, on training and on test images."""
    points: list[CurvePoint] = []
    book: set[int] = set()
    shown = [(context.vectors, context.labels)]
    if images is not None and labels is not None:
        shown.append((images, labels))
    logits = [torch.zeros(len(each), len(pool.classes), dtype=torch.float64) for each, _ in shown]
    with (context.run.path / CURVE).open("rb") as file:
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
        for scores, (each, _) in zip(logits, shown, strict=True):
            scores[:, moved] = each @ columns.T
        top1 = [_top1(scores, true) for scores, (_, true) in zip(logits, shown, strict=True)]
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
    start: Candidate, best: Candidate, pool: Pool
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
    first: np.ndarray | None, last: np.ndarray | None, labels: Tensor | None, pool: Pool
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
    before: Tensor | None, after: Tensor | None, labels: Tensor | None, pool: Pool
) -> list[Confusion]:
    """Every confusion there is, in the order of the classes."""
    if before is None or after is None or labels is None:
        return []
    truth: list[int] = labels.tolist()
    old = Counter(zip(truth, before.tolist(), strict=True))
    new = Counter(zip(truth, after.tolist(), strict=True))
    names = pool.classes
    return [(names[a], names[b], old[a, b], new[a, b]) for a, b in sorted(old | new) if a != b]
