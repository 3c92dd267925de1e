"""Runs a prompt search on labelled images, and says what came of it in one record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from fieldmark.agents.optimize.ablation import Reflected as Reflected
from fieldmark.agents.optimize.ceiling import pool_ceiling
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.encode_ahead import AT_ONCE
from fieldmark.agents.optimize.finish import RESULT, CurvePoint, SearchResult
from fieldmark.agents.optimize.finish import BookScore as BookScore
from fieldmark.agents.optimize.folds import SearchLength
from fieldmark.agents.optimize.gather import load_notebook, unanswered
from fieldmark.agents.optimize.history import get_candidates
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.agents.optimize.run import run_optimize
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.server import ServerAddress
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import PromptBook, Record, Usage
from fieldmark.records.tables import data_frame, html_table
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import CeilingSearchStarted, Progress, no_progress
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import Run
from fieldmark.tools.scoring.books import book_scores
from fieldmark.tools.search.named import operators_named
from fieldmark.tools.search.operators import OPERATORS
from fieldmark.tools.search.reflect import REFLECT
from fieldmark.tools.statistics.intervals import paired_difference
from fieldmark.tools.statistics.resample import Gain

if TYPE_CHECKING:
    import pandas as pd

TOUCHED_ONCE = "Test images were looked at once, after the search had ended; nothing was chosen by them."
NO_TEST = "There were no test images to look at."
FEW_TEST = 100
"""Fewer test images than these are called few: one of them is a point of top-1 or more."""
OTHERS_LOOKED = "The encoders of also_clip looked at the test images then, too."
CEILING_LOOKED = "The ceiling comes from a second search, which was shown the test images; the book does not."


class SearchSeconds(Record):
    """Where the time of this process went."""

    total: float
    encode: float
    """Loading the encoder included."""
    search: float
    """Everything but encoding, asking and drawing pictures."""
    llm: float = 0.0
    """Questions were under way; what was encoded meanwhile counts in `encode` as well."""
    render: float = 0.0
    """Drawing the pictures of the embedded world; not part of `total`."""


class OtherEncoder(Record):
    """The same two books on another encoder, without searching again."""

    clip: str
    start_top1: float
    best_top1: float
    gain: Gain


class OptimizeResult(Record):
    """The result of a search, as `fieldmark optimize` prints it in JSON."""

    format: Literal["fieldmark.optimize/1"] = Field(
        default="fieldmark.optimize/1", serialization_alias="schema"
    )
    data: str
    classes: int
    shots: int
    train_images: int = 0
    test_images: int = 0
    """Those that could be read and were measured on."""
    seed: int
    strategy: str
    fitness: str
    start: BookScore
    best: BookScore
    gain: Gain | None
    kept_start: bool
    templates: tuple[str, ...]
    ceiling: float | None = None
    """Test top-1 of a search over the same pool that is shown the test images; a bound, not a result."""
    also: tuple[OtherEncoder, ...] = ()
    reflect: Reflected | None = None
    """What reflecting between passes did; None where it was not asked for."""
    generations: int
    candidates: int
    folds: int = 0
    chosen: SearchLength | None = None
    """The simplest search within one standard error of the best by cross-validation; None without it."""
    fold_candidates: int = 0
    """Candidates scored in the folds; not among `candidates`."""
    texts_encoded: int
    distinct_texts: int
    images_encoded: int
    questions: int
    """Questions asked anew in this process; the others came from the cache."""
    seconds: SearchSeconds
    resumed: bool
    notes: tuple[str, ...] = ()
    run: str

    def __repr__(self) -> str:
        top1 = "" if self.best.test_top1 is None else f", test top-1 {_percent(self.best.test_top1)}"
        return (
            f"OptimizeResult({self.classes:,} classes, {self.shots} shots each: fitness "
            f"{self.start.fitness:.2f} -> {self.best.fitness:.2f}{top1}; run {self.run!r})"
        )

    def _repr_html_(self) -> str:
        """A table of the two books, for notebooks."""
        rows = [
            (
                name,
                f"{book.prompts:,}",
                f"{book.fitness:.2f}",
                _percent(book.train_top1),
                _percent(book.test_top1),
            )
            for name, book in (("start", self.start), ("best", self.best))
        ]
        return html_table(repr(self), ("book", "prompts", "fitness", "training top-1", "test top-1"), rows)

    def to_pandas(self) -> "pd.DataFrame":
        """Two rows for each encoder, the start and the best book; a column for each field of `BookScore`.

        `clip` is empty for the encoder that was searched with. Of the others only `test_top1` is known.

        Raises:
            InputError: pandas is not installed.
        """
        rows = [
            {"book": name, **book.model_dump()} for name, book in (("start", self.start), ("best", self.best))
        ]
        for other in self.also:
            rows.append({"book": "start", "clip": other.clip, "test_top1": other.start_top1})
            rows.append({"book": "best", "clip": other.clip, "test_top1": other.best_top1})
        return data_frame(rows, ["book", "clip", *BookScore.model_fields])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}%"


@dataclass(kw_only=True)
class Optimizing:
    """Everything a prompt search on labelled images takes.

    Attributes:
        data: What the images are called.
        images: The images.
        encoder: The CLIP encoder.
        llm: The language model; None asks nothing.
        run: The run; what was spent is written down however it ends.
        options: The choices of the search.
        shots: Training images a class that were asked for.
        book: A book to start from.
        given: Descriptions and other words for the classes.
        render: Seconds that drawing the pictures took.
        notes: What a reader must know.
        also: Other encoders to measure the book on.
        ceiling: Also search with the test images shown, for a bound.
        progress: Shows progress.
        checkpoints: A PostgreSQL server for the checkpoint.
    """

    data: str
    images: LabelledImages
    encoder: Encoder
    llm: AskedModel | None
    run: Run
    options: OptimizeOptions
    shots: int
    book: PromptBook | None = None
    given: GivenTexts = field(default_factory=GivenTexts)
    render: float = 0.0
    notes: tuple[str, ...] = ()
    also: tuple[Encoder, ...] = ()
    ceiling: bool = False
    progress: Progress = no_progress
    checkpoints: ServerAddress | None = None
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.run.stopping = lambda reason: write_task_manifest(self, stop_reason=reason)


async def optimize(task: Optimizing) -> tuple[OptimizeResult, SearchResult]:
    """Run the search, or take it up again, and write the manifest."""
    before = task.encoder.usage.seconds
    model = CountingModel(task.llm) if task.llm is not None else None
    context = OptimizeContext(
        classes=task.images.classes,
        train=task.images.train,
        test=task.images.test,
        encoder=task.encoder,
        llm=model,
        arrays=ArrayStore(task.run.folder.path / "arrays"),
        run=task.run.folder,
        options=task.options,
        book=task.book,
        given=task.given,
        operators=(*OPERATORS, *operators_named(task.options.operators)),
        progress=task.progress,
        checkpoints=task.checkpoints,
    )
    state = await run_optimize(context)
    found = task.run.folder.read(RESULT, SearchResult)
    total = time.perf_counter() - task.began
    used = task.encoder.usage
    usage = task.llm.usage if task.llm is not None else Usage()
    encode = used.seconds - before
    asked = model.seconds if model is not None else 0.0
    failed, lost = unanswered(load_notebook(state.notebook, context))
    notes = notes_of(task, found, lost)
    result = OptimizeResult(
        data=task.data,
        classes=len(task.images.classes),
        shots=task.shots,
        train_images=len(context.labels),
        test_images=tested(found),
        seed=task.options.seed,
        strategy=task.options.strategy,
        fitness=task.options.fitness,
        start=found.start,
        best=found.best,
        gain=found.gain,
        kept_start=found.kept_start,
        templates=found.templates,
        ceiling=ceiling_of(state, task, context),
        also=tuple(on_other(encoder, task) for encoder in task.also if task.images.test),
        reflect=found.reflect,
        generations=found.generations,
        candidates=found.candidates,
        folds=found.folds.folds if found.folds else 0,
        chosen=found.folds.chosen if found.folds else None,
        fold_candidates=found.folds.fold_candidates if found.folds else 0,
        texts_encoded=used.texts_encoded,
        distinct_texts=used.distinct_texts,
        images_encoded=used.images_encoded,
        questions=usage.requests,
        seconds=SearchSeconds(
            total=round(total, 3),
            encode=round(encode, 3),
            search=round(max(0.0, total - encode - asked + context.clock.get(AT_ONCE, 0.0)), 3),
            llm=round(asked, 3),
            render=round(task.render, 3),
        ),
        resumed=task.run.resumed,
        notes=notes,
        run=str(task.run.folder.path),
    )
    task.run.folder.write("result.json", result)
    counts = counts_of(task, found, failed)
    write_task_manifest(task, stop_reason=state.stop_reason or "searched", counts=counts, notes=notes)
    return result, found


def notes_of(task: Optimizing, found: SearchResult, lost: Sequence[str]) -> tuple[str, ...]:
    """What a reader must know.

    Args:
        task: The search.
        found: What it found.
        lost: What is to be said of questions without an answer.
    """
    random = [encoder.name for encoder in task.also if encoder.random_weights]
    warnings = (f"{name} has RANDOM weights: its figures mean nothing." for name in random)
    few = few_test_images(found)
    notes = (*task.images.notes, *task.given.notes, *lost, *task.notes, *warnings, *filter(None, (few,)))
    if lost_images := task.encoder.failures:
        first = lost_images[0]
        notes += (f"{len(lost_images)} image(s) could not be encoded, such as {first.path}: {first.reason}.",)
    if REFLECT in task.options.operators and task.llm is None:
        notes += ("No language model: nothing was reflected on.",)
    if found.reflect is not None and found.reflect.ended:
        answered = f"Reflecting ended after {found.reflect.questions} questions"
        notes += (f"{answered}: {found.reflect.ended}",)
    return notes


def tested(found: SearchResult) -> int:
    """How many test images both books were measured on."""
    return sum(each.images for each in found.by_class.values())


def few_test_images(found: SearchResult) -> str:
    """What to say of few test images, or of none; empty where they are enough."""
    count = tested(found)
    if not count:
        return "No test images: nothing says how good the book is on other images. Label some more."
    if count >= FEW_TEST:
        return ""
    return (
        f"Only {count} test image(s): one of them is {100 / count:.1f} points of top-1. Go by the interval, "
        "or label some more."
    )


def ceiling_of(state: OptimizeState, task: Optimizing, context: OptimizeContext) -> float | None:
    """What the same pool reaches with the test images shown, where that was asked for."""
    if not (task.ceiling and task.images.test):
        return None
    task.progress(CeilingSearchStarted())
    pool = PromptPool.model_validate(context.arrays.get_json(state.pool))
    best = get_candidates(context, state.book)[0]
    return round(pool_ceiling(pool, best.parts, context), 4)


def counts_of(task: Optimizing, found: SearchResult, failed: int) -> dict[str, int]:
    """What came out of a search, in numbers; `failed` questions have no answer."""
    return {
        "classes": len(task.images.classes),
        "train": len(task.images.train),
        "test": len(task.images.test),
        "generations": found.generations,
        "candidates": found.candidates,
        **({"fold_candidates": found.folds.fold_candidates} if found.folds else {}),
        "failed_questions": failed,
    }


def write_task_manifest(
    task: Optimizing, *, stop_reason: str, counts: Mapping[str, int] | None = None, notes: Sequence[str] = ()
) -> None:
    """Write the manifest; what earlier processes of the run spent is added.

    Args:
        task: The search.
        stop_reason: Why it stopped.
        counts: See `counts_of`; None where it ended early.
        notes: See `notes_of`.
    """
    write_manifest(
        task.run.folder,
        task.encoder,
        images=(*task.images.train, *task.images.test),
        language_model=describe_model(task.llm),
        prompts=prompt_hashes(),
        usage=task.llm.usage if task.llm is not None else Usage(),
        stop_reason=stop_reason,
        counts=counts or {},
        skipped=task.images.skipped,
        seed=task.options.seed,
        notes=(*(looked(task) if counts else ()), *task.run.uncounted, *notes),
        earlier=task.run.stopped,
    )


def looked(task: Optimizing) -> tuple[str, ...]:
    """When test images were looked at, for the manifest."""
    if not task.images.test:
        return (NO_TEST,)
    others = (OTHERS_LOOKED,) if task.also else ()
    return (TOUCHED_ONCE, *others, *((CEILING_LOOKED,) if task.ceiling else ()))


def on_other(encoder: Encoder, task: Optimizing) -> OtherEncoder:
    """Measure the start and the best book on another encoder."""
    encoded = encoder.encode_images(task.images.test)
    place = {name: number for number, name in enumerate(task.images.classes)}
    labels = np.array([place[str(image.label)] for image in task.images.test])[encoded.ok.numpy()]
    right: list[np.ndarray] = []
    for name in ("start_book.json", "book.json"):
        book = task.run.folder.read(name, PromptBook)
        scores = book_scores(book, encoded.vectors[encoded.ok], encoder.encode_texts)
        right.append(scores.argmax(1).numpy() == labels)
    return OtherEncoder(
        clip=encoder.name,
        start_top1=round(float(right[0].mean()), 4),
        best_top1=round(float(right[1].mean()), 4),
        gain=Gain.of(paired_difference(right[1], right[0], labels)),
    )


__all__ = ["CurvePoint", "OptimizeResult", "Optimizing", "optimize"]
