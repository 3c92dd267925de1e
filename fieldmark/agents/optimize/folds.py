"""Cross-validation of a prompt search: how long to search, and how long books may get."""

import asyncio
import json
from pathlib import Path
from typing import Literal

from pydantic import JsonValue
from torch import Tensor

from fieldmark.agents.optimize import search
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.tools.runs.events import FoldSearchStarted
from fieldmark.tools.search.acceptance import improves
from fieldmark.tools.search.candidates import PromptCandidate
from fieldmark.tools.search.folds import draw_folds
from fieldmark.tools.search.generation import search_seed
from fieldmark.tools.statistics.one_standard_error import choose_simplest

FOLDS = "folds.json"
"""Curves of the folds done, for whoever looks at a search that goes on."""
Stage = Literal["start", "sampled", "searched"]
LADDER = (0.0, 0.03, 0.1)
"""Penalties that are tried, in points of fitness for one more unit in every class.

On the aviary at 4 shots (seeds 1 to 3) 0.1 had the best held-out fitness; 0.3 had less in every seed, 1 and 3
far less in the one where they were tried.
"""


class HeldOutPoint(Record):
    """The fittest book of a fold's search at some point of it."""

    stage: Stage
    """The start itself, the best of the sampled starting points, or a book of the class search."""
    passes: int
    """Passes of the class search done."""
    units: int
    train_fitness: float
    """Without penalty, on the other folds' images, by which the book was chosen."""
    train_top1: float
    held_out_fitness: float
    """Without penalty, on the fold's own images."""
    held_out_top1: float


class FoldCurve(Record):
    """The search on all folds but one, at one penalty."""

    fold: int
    """From 1."""
    penalty: float
    """What each unit cost."""
    train_images: int
    held_out_images: int
    candidates: int
    """Candidates scored."""
    points: tuple[HeldOutPoint, ...]


class SearchLength(Record):
    """How long to search and what a unit costs, with how that did on the held-out folds."""

    stage: Stage
    passes: int
    penalty: float
    units: float
    """Mean over the folds, as every figure here."""
    held_out_fitness: float
    held_out_top1: float
    shortfall: float
    """Held-out fitness of the best choice minus this one's."""
    standard_error: float
    """Of the shortfall, over the folds."""


class Folds(Record):
    """What cross-validation found; `folds` in `optimize.json`.

    Held out are the images of sampling and class search. The templates were chosen before, by all training
    images: to choose them anew in each fold would be to encode the pool anew. The start is not written
    in them, every other choice is, so that they speak a little too well of leaving the start.
    """

    folds: int
    fold_candidates: int
    """Candidates scored in the folds; they do not stand in the history."""
    chosen: SearchLength
    """The simplest choice within one standard error of the best."""
    best: SearchLength
    choices: tuple[SearchLength, ...]
    """Every choice, the simplest first."""
    curves: tuple[FoldCurve, ...]


def penalties(options: OptimizeOptions, classes: int) -> tuple[float, ...]:
    """What a unit costs in the searches to compare; a penalty that was asked for is not put in question.

    Fitness is a mean over images, and a book grows with the classes: the ladder counts units a class.
    """
    if options.penalty:
        return (options.penalty,)
    return tuple(each / classes for each in LADDER)


async def search_fold(
    number: int, pool: PromptPool, vectors: Tensor, *, generation: int, context: OptimizeContext
) -> list[FoldCurve]:
    """Search without the images of one fold, once a penalty, and score what is found on that fold.

    The same texts are used, all encoded before: this costs algebra alone.

    Args:
        number: The fold, from 0.
        pool: All units.
        vectors: Their vectors `[U, D]`.
        generation: Generations done before the class search, on which its random seed depends.
        context: The run; its test images are not touched.
    """
    options = context.options
    fold = draw_folds(context.labels, options.folds, search_seed(options.seed, "folds"))
    ladder = penalties(options, len(context.classes))
    curves: list[FoldCurve] = []
    for penalty in ladder:
        context.progress(
            FoldSearchStarted(
                number=number + 1, of=options.folds, search=len(curves) + 1, searches=len(ladder)
            )
        )
        costed = options.model_copy(update={"penalty": penalty})
        part = context.among(fold != number, costed)
        held = context.among(fold == number, costed)
        points, candidates = await held_out_curve(part, held, pool, vectors, generation=generation)
        curves.append(
            FoldCurve(
                fold=number + 1,
                penalty=penalty,
                train_images=len(part.labels),
                held_out_images=len(held.labels),
                candidates=candidates,
                points=points,
            )
        )
    return curves


async def held_out_curve(
    part: OptimizeContext, held: OptimizeContext, pool: PromptPool, vectors: Tensor, *, generation: int
) -> tuple[tuple[HeldOutPoint, ...], int]:
    """The books of one search after sampling and after every pass, scored on held-out images too.

    Args:
        part: The run with the images to search by.
        held: The run with the images to score by.
        pool: All units.
        vectors: Their vectors `[U, D]`.
        generation: Generations done before.

    Returns:
        The points, and how many candidates were scored.
    """
    free = part.options.model_copy(update={"penalty": 0.0})
    judges = (part.with_options(free), held.with_options(free))

    def point(stage: Stage, passes: int, book: PromptCandidate) -> HeldOutPoint:
        (train,), (out,) = (search.score_books({"": book.parts}, pool, vectors, each)[1] for each in judges)
        return HeldOutPoint(
            stage=stage,
            passes=passes,
            units=len(book.parts),
            train_fitness=train.fitness,
            train_top1=round(train.top1, 4),
            held_out_fitness=out.fitness,
            held_out_top1=round(out.top1, 4),
        )

    start, best, scored = search.first_books(pool, vectors, part)
    book = best if improves(best, start) else start
    points = [point("start", 0, start), point("sampled", 0, book)]
    candidates, seen = len(scored), {row.key for row in scored}
    generation += 1  # the sampling
    for passes in range(part.options.passes if part.options.generations else 0):
        for classes in search.next_groups(book, pool, vectors, passes, part):
            group = search.open_group(classes, book.parts, pool, vectors, part)
            parents: tuple[PromptCandidate, ...] = (search.inner_candidate(group, book),)
            for _ in range(part.options.generations):
                generation += 1
                made = search.class_generation(group, parents, seen=seen, number=generation, context=part)
                parents = made.survivors
                candidates += len(made.scored)
                await asyncio.sleep(0)  # a fold takes long: let an interruption through
            found = search.whole_candidate(group, parents[0])
            book = found if improves(found, book) else book
        points.append(point("searched", passes + 1, book))
    return tuple(points), candidates


def conclude_folds(curves: tuple[FoldCurve, ...]) -> Folds:
    """Choose how long to search: the simplest choice within one standard error of the best.

    Simpler is, first, to stop earlier (the start, the best of the sampled books, one pass, two, …), then a
    higher penalty.
    """
    table: dict[tuple[Stage, int, float], list[HeldOutPoint]] = {}
    for curve in curves:
        for point in curve.points:
            # The start is the same whatever a unit costs: one choice.
            if point.stage != "start" or curve.penalty == curves[0].penalty:
                table.setdefault((point.stage, point.passes, curve.penalty), []).append(point)
    folds = len({curve.fold for curve in curves})
    order: tuple[Stage, ...] = ("start", "sampled", "searched")
    keys = sorted(table, key=lambda key: (order.index(key[0]), key[1], -key[2]))
    rows = [table[key] for key in keys]
    made = choose_simplest([[point.held_out_fitness for point in row] for row in rows])
    choices = tuple(
        SearchLength(
            stage=stage,
            passes=passes,
            penalty=penalty,
            units=round(sum(point.units for point in row) / folds, 2),
            held_out_fitness=round(sum(point.held_out_fitness for point in row) / folds, 6),
            held_out_top1=round(sum(point.held_out_top1 for point in row) / folds, 4),
            shortfall=round(shortfall, 6),
            standard_error=round(error, 6),
        )
        for (stage, passes, penalty), row, shortfall, error in zip(
            keys, rows, made.shortfalls, made.errors, strict=True
        )
    )
    return Folds(
        folds=folds,
        fold_candidates=sum(curve.candidates for curve in curves),
        chosen=choices[made.chosen],
        best=choices[made.best],
        choices=choices,
        curves=curves,
    )


def put_curves(curves: tuple[FoldCurve, ...], context: OptimizeContext) -> str:
    """Store the curves of the folds done, and show them in the run; the state holds their hash."""
    rows: list[JsonValue] = [curve.model_dump(mode="json") for curve in curves]
    context.run.write_text(FOLDS, json.dumps(rows))
    return context.arrays.put_json(rows)


def curves_so_far(run: Path) -> tuple[FoldCurve, ...]:
    """The curves of the folds that a run has done; none before the first, or where they cannot be read."""
    try:
        rows = json.loads(read_bytes(run / FOLDS))
        return tuple(FoldCurve.model_validate(row) for row in rows)
    except (OSError, ValueError, TypeError):
        return ()


def get_curves(name: str, context: OptimizeContext) -> tuple[FoldCurve, ...]:
    """Curves that were stored; none under no name."""
    rows: list[JsonValue] = context.arrays.get_json(name) if name else []  # pyright: ignore
    return tuple(FoldCurve.model_validate(row) for row in rows)


def found_in_folds(name: str, context: OptimizeContext) -> Folds | None:
    """What cross-validation found; None where there was none."""
    if not name:
        return None
    kept = context.memo.get("folds")
    if not isinstance(kept, tuple) or kept[0] != name:
        kept = (name, conclude_folds(get_curves(name, context)))
        context.memo["folds"] = kept
    return kept[1]


def settled(name: str, context: OptimizeContext) -> OptimizeContext:
    """The run with the search length and the penalty that cross-validation chose, where there was one."""
    folds = found_in_folds(name, context)
    if folds is None:
        return context
    length = {"passes": folds.chosen.passes, "penalty": folds.chosen.penalty}
    return context.with_options(context.options.model_copy(update=length))
