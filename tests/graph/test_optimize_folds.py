"""Guards against overfitting, on the made-up world: held-out folds, the penalty, what they may not see."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fieldmark.agents.optimize import folds as optimize_folds
from fieldmark.agents.optimize import search as optimize_search
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.finish import SearchResult
from fieldmark.agents.optimize.folds import curves_so_far, held_out_curve, search_fold
from fieldmark.agents.optimize.history import HISTORY
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.agents.optimize.run import run_optimize
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import InputError
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.events import Event, FoldSearchStarted, GenerationScored
from fieldmark.tools.search.folds import draw_folds
from fieldmark.tools.search.generation import search_seed
from tests.graph.test_optimize import SMALL, Killed, Watched, context_on, raw, search
from tests.graph.world import FakeModel, World

SHOTS = 4
FOLDED = SMALL.model_copy(update={"folds": 2})


def folded(folder: Path, **given: Any) -> OptimizeContext:
    world = World()
    train = tuple(
        world.image(n, 100 + copy, labelled=True) for n in range(len(world.names)) for copy in range(SHOTS)
    )
    return context_on(folder, world, **({"train": train, "options": FOLDED} | given))


def pool_of(context: OptimizeContext) -> PromptPool:
    """A pool as a finished run left it."""
    for file in sorted((context.run.path / "arrays").rglob("*.json")):
        data = json.loads(file.read_bytes())
        if isinstance(data, dict) and "units" in data:
            return PromptPool.model_validate(data)
    raise FileNotFoundError("no pool")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[OptimizeContext, SearchResult]:
    context = folded(tmp_path_factory.mktemp("folded"))
    return context, search(context)


def test_curves_of_every_fold_and_the_choice_are_written(whole: tuple[OptimizeContext, SearchResult]) -> None:
    context, found = whole
    folds = found.folds
    assert folds is not None
    assert folds.folds == 2
    assert {(curve.fold, curve.held_out_images) for curve in folds.curves} == {(1, 32), (2, 32)}
    for curve in folds.curves:
        assert [(p.stage, p.passes) for p in curve.points] == [
            ("start", 0), ("sampled", 0), ("searched", 1), ("searched", 2)
        ]  # fmt: skip
        fitness = [p.train_fitness - curve.penalty * p.units for p in curve.points]
        assert fitness == sorted(fitness)
    assert curves_so_far(context.run.path) == folds.curves
    assert folds.chosen in folds.choices
    rows = [json.loads(line) for line in (context.run.path / HISTORY).read_text().splitlines()]
    assert len(rows) == found.candidates
    assert folds.fold_candidates == sum(curve.candidates for curve in folds.curves) > found.candidates
    later = [row for row in rows if row["stage"] != "templates"]
    assert max(row["fitness"] for row in later) == found.best.fitness


def test_test_images_are_touched_last_with_folds_too(whole: tuple[OptimizeContext, SearchResult]) -> None:
    encoder = whole[0].encoder
    assert isinstance(encoder, Watched)
    tested = [any(int(name[:-4].split("-")[1]) < 100 for name in names) for names in encoder.labelled]
    assert tested.count(True) == 1
    assert tested[-1]
    assert encoder.order[-1] == "images"


@pytest.mark.parametrize("fatal", [1, 2, 4, 6])
def test_a_search_killed_in_a_fold_ends_in_the_same_bytes(
    whole: tuple[OptimizeContext, SearchResult], tmp_path: Path, fatal: int
) -> None:
    begun: list[object] = []

    def note(event: Event) -> None:
        if isinstance(event, FoldSearchStarted):
            begun.append(event.number)
            if len(begun) == fatal:
                raise Killed

    with pytest.raises(Killed):
        search(folded(tmp_path, progress=note))
    last, fatal = begun[-1], 0
    begun.clear()
    model = FakeModel(World())
    search(folded(tmp_path, llm=model, progress=note))
    assert raw(tmp_path) == raw(whole[0].run.path)
    assert begun[0] == last  # the folds before it are not searched again
    assert model.asked == []


def test_a_fold_killed_before_any_generation_is_counted_is_taken_up(tmp_path: Path) -> None:
    options = FOLDED.model_copy(update={"template_generations": 0})
    begun: list[object] = []

    def note(event: Event) -> None:
        if isinstance(event, FoldSearchStarted):
            begun.append(event.number)
            if len(begun) == 4:
                raise Killed

    with pytest.raises(Killed):
        search(folded(tmp_path, options=options, progress=note))
    assert begun == [1, 1, 1, 2]
    search(folded(tmp_path, options=options, progress=note))
    assert begun[4:] == [2, 2, 2]


class Disguised(Watched):
    """Shows some images as something else."""

    disguised: frozenset[str] = frozenset()

    def image_vector(self, image: ImageFile) -> torch.Tensor:
        return (
            self.direction("elsewhere") if image.path.name in self.disguised else super().image_vector(image)
        )


def test_a_fold_is_not_seen_by_its_search(
    whole: tuple[OptimizeContext, SearchResult], tmp_path: Path
) -> None:
    context, _ = whole
    pool = pool_of(context)
    vectors = optimize_search.unit_vectors(pool.units, context)
    fold = draw_folds(context.labels, 2, search_seed(FOLDED.seed, "folds"))
    other = Disguised(World(), noise=0.8)
    other.disguised = frozenset(context.train[n].path.name for n in (fold == 1).nonzero()[:, 0].tolist())
    true, false = (
        run_to_end(search_fold(1, pool, vectors, generation=2, context=each))
        for each in (context, folded(tmp_path, encoder=other))
    )
    for one, two in zip(true, false, strict=True):
        assert [(p.units, p.train_fitness) for p in one.points] == [
            (p.units, p.train_fitness) for p in two.points
        ]
        assert one.candidates == two.candidates
        assert one.points[-1].held_out_fitness > two.points[-1].held_out_fitness


def test_folds_search_as_the_run_does(tmp_path: Path) -> None:
    # Given all images, and as many generations before, a fold's search is the search.
    context = folded(tmp_path, options=SMALL)
    found = search(context)
    pool = pool_of(context)
    vectors = optimize_search.unit_vectors(pool.units, context)
    points, _ = run_to_end(held_out_curve(context, context, pool, vectors, generation=2))
    assert points[0].train_fitness == found.start.fitness
    assert points[-1].train_fitness == points[-1].held_out_fitness == found.best.fitness
    assert points[-1].train_top1 == found.best.train_top1


@pytest.mark.parametrize(
    ("place", "stage", "passes", "generations"),
    [(0, "start", 0, 0), (2, "sampled", 0, 0), (4, "searched", 1, 8), (9, "searched", 2, 14)],
)
def test_what_was_chosen_is_what_is_searched_after_a_kill_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, stage: str, passes: int, generations: int
) -> None:
    real = optimize_folds.choose_simplest
    monkeypatch.setattr(optimize_folds, "choose_simplest", lambda scores: replace(real(scores), chosen=place))

    def kill(event: Event) -> None:
        if isinstance(event, GenerationScored) and event.number == (7 if passes else 3):
            raise Killed  # in the class search, or else in the sampling that follows the folds

    found = search(folded(tmp_path / "whole"))
    assert found.folds is not None
    chosen = found.folds.chosen
    assert (chosen.stage, chosen.passes) == (stage, passes)
    assert sum(point.stage == "classes" for point in found.curve) == generations
    assert found.kept_start == (stage == "start")
    unpriced = search(folded(tmp_path / "free", options=SMALL.model_copy(update={"passes": 0})))
    paid = chosen.penalty * found.folds.choices[0].units  # the start's units
    assert found.start.fitness == pytest.approx(unpriced.start.fitness - paid)
    with pytest.raises(Killed):
        search(folded(tmp_path / "killed", progress=kill))
    search(folded(tmp_path / "killed"))
    assert raw(tmp_path / "killed") == raw(tmp_path / "whole")


def test_a_penalty_makes_books_shorter(tmp_path: Path) -> None:
    # One plain template, so that every unit is one prompt.
    sizes = [
        search(
            folded(
                tmp_path / str(penalty),
                options=SMALL.model_copy(update={"template_generations": 0, "penalty": penalty}),
            )
        ).best.prompts
        for penalty in (0.0, 3.0)
    ]
    assert sizes[1] == len(World().names) < sizes[0]  # one unit a class is left


def test_too_few_usable_images_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    gone = [f"3-{100 + copy}.png" for copy in range(SHOTS - 1)]
    model = FakeModel(World())
    context = folded(tmp_path, llm=model, encoder=Watched(World(), gone=gone))
    with pytest.raises(InputError, match=r"fewer: wren \(1\)"):
        run_to_end(run_optimize(context))
    assert model.asked == []
