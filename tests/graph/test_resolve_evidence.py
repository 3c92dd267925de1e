"""The evidence rule in the whole graph, on the made-up world."""

from pathlib import Path

import pytest

from tests.graph.running import make_context, options, run
from tests.graph.world import FakeEncoder, FakeModel, World

WORLD = World()


def images(each: int = 6):
    return WORLD.images(each)


def test_images_are_resolved_rightly_and_the_parts_sum_to_the_margin(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD, images=images(), options=options(rule="evidence"))
    predictions = run(context).predictions
    right = [
        prediction.label == WORLD.truth(image)
        for prediction, image in zip(predictions, images(), strict=True)
    ]
    resolved = [prediction.status == "resolved" for prediction in predictions]
    assert sum(right) / len(right) > 0.95
    assert any(resolved)
    assert all(fine for fine, sure in zip(right, resolved, strict=True) if sure)
    for prediction in predictions:
        assert prediction.margin is not None
        parts = sum(part.contribution for part in prediction.contributions)
        assert parts == pytest.approx(prediction.margin, abs=1e-5)
        assert prediction.confidence > 0.95 or prediction.status != "resolved"
        assert (prediction.why_open is None) == (prediction.status != "open")
        assert prediction.fit is not None


def test_a_smaller_risk_resolves_no_more_images(tmp_path: Path) -> None:
    noisy = FakeEncoder(WORLD, noise=1.2)
    counts: list[int] = []
    for risk in (0.2, 0.05, 0.001):
        context = make_context(
            tmp_path / str(risk),
            WORLD,
            images=images(),
            encoder=noisy,
            options=options(rule="evidence", risk=risk, max_rounds=2),
        )
        counts.append(sum(each.status == "resolved" for each in run(context).predictions))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    settings = options(rule="evidence")
    whole = run(make_context(tmp_path / "whole", WORLD, images=images(), options=settings))
    again = make_context(tmp_path / "again", WORLD, images=images(), options=settings, llm=FakeModel(WORLD))
    assert run(again).predictions == whole.predictions
    assert run(make_context(tmp_path / "again", WORLD, images=images(), options=settings)).predictions == (
        whole.predictions
    )


@pytest.mark.parametrize("max_rounds", [0, 2])
def test_the_listed_probability_of_a_label_is_its_confidence(tmp_path: Path, max_rounds: int) -> None:
    context = make_context(
        tmp_path, WORLD, images=images(), options=options(rule="evidence", max_rounds=max_rounds)
    )
    for prediction in run(context).predictions:
        best = prediction.candidates[0]
        assert best.class_name == prediction.label
        assert best.probability == pytest.approx(prediction.confidence, abs=1e-6)
        assert prediction.confidence > 0.95 or prediction.status != "resolved"
