"""What the demo makes of its climbs, and one small demo from the drawing to the numbers."""

from pathlib import Path

import pytest

from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import open_stores
from fieldmark.evals.demo.demo import (
    NOTE,
    DemoSettings,
    meaning_of_resolved,
    pooled_result,
    run_demo,
)
from fieldmark.evals.demo.ladder import RUNGS, Climb, Ladder
from fieldmark.evals.demo.results import DemoResult, DemoSeconds
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.records import RunManifest, Usage
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.running import Events, options
from tests.graph.world import FakeEncoder, FakeModel
from tests.unit.evals.demo.test_ladder import LABELLED, WORLD


@pytest.fixture(scope="module")
def climb(tmp_path_factory: pytest.TempPathFactory) -> Climb:
    ladder = Ladder(encoder=FakeEncoder(WORLD), llm=FakeModel(WORLD), options=options(), progress=Events())
    return run_to_end(ladder.climb(LABELLED, RunFolder(tmp_path_factory.mktemp("run"))))


def with_status(climb: Climb, resolved: int, *, right: int, first_right: int) -> Climb:
    """The climb with its first images resolved, so many labels right, and so many right at first."""
    predictions = tuple(
        p.model_copy(
            update={"status": "resolved" if n < resolved else "open", "first_confidence": 1 - n / 100}
        )
        for n, p in enumerate(climb.predictions)
    )
    truth = climb.world.truth
    labels = {rung: truth.copy() for rung in RUNGS}
    labels["resolve"][right:] = (truth[right:] + 1) % 16
    labels["descriptors"][first_right:] = (truth[first_right:] + 1) % 16
    return Climb(**{**vars(climb), "predictions": predictions, "labels": labels})


def test_resolved_is_compared_with_as_many_of_the_surest_first_looks(climb: Climb) -> None:
    meaning = meaning_of_resolved([with_status(climb, 20, right=24, first_right=10)])
    assert (meaning.count, meaning.top1) == (20, 1.0)
    assert meaning.open_top1 == round(4 / 28, 4)
    assert meaning.top1_at_equal_coverage_first_step == 0.5
    gap = meaning.at_equal_coverage
    assert gap is not None and gap.difference == 0.5
    assert 0 < gap.ci95[0] < 0.5 < gap.ci95[1] < 1
    assert gap.p < 0.05


def test_where_the_surest_first_looks_are_as_often_right_the_gap_says_so(climb: Climb) -> None:
    gap = meaning_of_resolved([with_status(climb, 20, right=10, first_right=10)]).at_equal_coverage
    assert gap is not None
    assert (gap.difference, gap.ci95, gap.p) == (0.0, (0.0, 0.0), 1.0)


def test_nothing_resolved_has_no_accuracy_rather_than_a_bad_one(climb: Climb) -> None:
    meaning = meaning_of_resolved([with_status(climb, 0, right=24, first_right=10)])
    assert (meaning.count, meaning.top1, meaning.top1_at_equal_coverage_first_step) == (0, None, None)
    assert meaning.at_equal_coverage is None
    assert meaning.open_top1 == 0.5


def test_books_are_pooled_and_tested_in_pairs(climb: Climb) -> None:
    climbs = [
        with_status(climb, 20, right=48, first_right=12),
        with_status(climb, 20, right=24, first_right=12),
    ]
    seconds = DemoSeconds(total=1.0, render=0.1, encode=0.2, llm=0.3, score=0.4)
    result = pooled_result(
        climbs,
        settings=DemoSettings(seed=1, books=2),
        usage=Usage(requests=5, cached=4, failed=1),
        encoder=FakeEncoder(WORLD),
        seconds=seconds,
        robustness=None,
        run=climb.run,
    )
    scores = {score.name: score for score in result.ladder}
    assert tuple(scores) == RUNGS
    assert scores["resolve"].top1 == 0.75
    assert scores["descriptors"].top1 == 0.25
    for score in result.ladder:
        assert score.ci95[0] <= score.top1 <= score.ci95[1]
    gap = next(pair for pair in result.paired if (pair.a, pair.b) == ("resolve", "descriptors"))
    assert gap.difference == 0.5
    assert gap.ci95[0] > 0
    assert gap.p < 0.05
    even = next(pair for pair in result.paired if (pair.a, pair.b) == ("descriptors", "names"))
    assert even.difference < 0
    assert (result.images, result.classes) == (96, 32)
    assert result.questions["descriptors"] == 32
    assert result.llm.failed == 1
    assert sum(result.ambiguous.stop_reasons.values()) == 2
    dumped = result.model_dump_json(by_alias=True)
    assert '"schema":"fieldmark.demo/1"' in dumped
    assert NOTE in dumped


def test_a_small_demo_and_its_repetition_for_free(tmp_path: Path) -> None:
    def demo(name: str) -> DemoResult:
        run = RunFolder.create(tmp_path / name, kind="demo", options={})
        with open_stores(tmp_path / "home") as stores:
            result, climbs = run_to_end(
                run_demo(
                    DemoSettings(
                        seed=3, books=1, conditions=WorldConditions(species=4, images=2), options=options()
                    ),
                    encoder=stores.encoder("aviary", device="cpu"),
                    answers=stores.answers,
                    pictures=stores.aviary,
                    run=run,
                    progress=Events(),
                )
            )
        assert len(climbs) == 1
        manifest = run.read("manifest.json", RunManifest)
        assert (manifest.seed, manifest.notes) == (3, (NOTE,))
        assert manifest.language_model["model"] == "aviary-guide (scripted)"
        return result

    cold, warm = demo("cold"), demo("warm")
    assert cold.llm.requests > 4
    assert cold.encoder.images_encoded == 8
    assert warm.llm.requests == warm.encoder.images_encoded == warm.encoder.texts_encoded == 0
    assert warm.ladder == cold.ladder
    assert warm.resolved == cold.resolved
