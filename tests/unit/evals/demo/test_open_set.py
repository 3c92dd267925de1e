"""Images of no class: not scored, counted apart, told from the others by how little they fit."""

import pytest

from fieldmark.app.event_loop import run_to_end
from fieldmark.evals.demo.ladder import RUNGS, Climb, Ladder, World
from fieldmark.evals.demo.open_set import StatusCounts, calibration, fits_none, open_set
from fieldmark.evals.demo.robustness import check_robustness
from fieldmark.records import Status
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.running import Events, options
from tests.graph.world import FakeEncoder, FakeModel
from tests.unit.evals.demo.test_ladder import IMAGES, WORLD

CLASSES = WORLD.names[:12]
POOL = tuple(
    ImageFile(image.path, image.content_hash, None if image.label == WORLD.names[15] else image.label)
    for image in IMAGES
)
"""Twelve classes, three species that are none, and one kind of image without a label; three images each."""


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ladder, Climb]:
    encoder = FakeEncoder(WORLD)
    ladder = Ladder(encoder=encoder, llm=FakeModel(WORLD), options=options(), progress=Events())
    world = World(classes=CLASSES, noun="bird", images=POOL)
    climb = run_to_end(ladder.climb(world, RunFolder(tmp_path_factory.mktemp("run"))))
    encoder.reference = encoder.encode_images(WORLD.images(4)).vectors
    return ladder, climb


def test_every_rung_sees_the_whole_pool_and_is_scored_on_listed_images(climbed: tuple[Ladder, Climb]) -> None:
    _, climb = climbed
    assert climb.world.truth.tolist() == [n if n < 12 else -1 for n in range(16) for _ in range(3)]
    assert (climb.world.listed.sum(), climb.world.strangers.sum()) == (36, 3)
    for rung in RUNGS:
        assert climb.labels[rung].shape == (48,)
        assert climb.right(rung).shape == (36,)
    assert len(climb.predictions) == 48
    for folder in ("descriptors_more", "fudd"):
        assert len(list(RunFolder(climb.run.path / folder).read_predictions())) == 48
    assert [p.truth for p in climb.listed_predictions] == [CLASSES[place] for place in climb.clusters]
    assert climb.right("resolve").mean() > 0.8


def with_outcomes(climb: Climb, outcomes: list[tuple[Status, float]]) -> Climb:
    predictions = tuple(
        p.model_copy(update={"status": status, "confidence": confidence})
        for p, (status, confidence) in zip(climb.predictions, outcomes, strict=True)
    )
    return Climb(**{**vars(climb), "predictions": predictions})


def test_three_kinds_are_counted_and_told_apart(climbed: tuple[Ladder, Climb]) -> None:
    outcomes: list[tuple[Status, float]] = [
        *[("resolved", 0.9)] * 30, *[("open", 0.6)] * 6,
        *[("rejected", 0.1)] * 4, *[("resolved", 0.95)] * 5,
        *[("open", 0.6)] * 3,
    ]  # fmt: skip
    found = open_set([with_outcomes(climbed[1], outcomes)])
    assert found.listed == StatusCounts(resolved=30, open=6, rejected=0)
    assert found.unlisted == StatusCounts(resolved=5, open=0, rejected=4)
    assert found.strangers == StatusCounts(resolved=0, open=3, rejected=0)
    assert found.unlisted.images == 9
    # Four unlisted images lie below every listed one, five above every one.
    assert found.auroc_unlisted == round(4 / 9, 4)
    # Strangers lie below thirty listed images and level with six.
    assert found.auroc_strangers == round((30 + 3) / 36, 4)


def test_without_others_nothing_is_told_apart(climbed: tuple[Ladder, Climb]) -> None:
    climb = climbed[1]
    world = World(classes=CLASSES, noun="bird", images=POOL[:36])
    listed = Climb(**{**vars(climb), "world": world, "predictions": climb.predictions[:36]})
    found = open_set([listed])
    assert (found.auroc_unlisted, found.auroc_strangers, found.unlisted.images) == (None, None, 0)


def test_calibration_is_that_of_listed_images(climbed: tuple[Ladder, Climb]) -> None:
    climb = with_outcomes(climbed[1], [*[("open", 0.75)] * 36, *[("open", 0.0)] * 12])
    labels = {"resolve": climb.world.truth.copy()}
    labels["resolve"][:18] = (labels["resolve"][:18] + 1) % 12
    found = calibration([Climb(**{**vars(climb), "labels": labels})])
    assert (found.mean_confidence, found.ece, found.images) == (0.75, 0.25, 36)


def test_how_little_an_image_fits_falls_with_its_confidence(climbed: tuple[Ladder, Climb]) -> None:
    prediction = climbed[1].predictions[0]
    scores = [fits_none(prediction.model_copy(update={"confidence": c})) for c in (0.2, 0.5, 0.9)]
    assert scores == sorted(scores, reverse=True)


def test_a_smaller_pool_keeps_the_images_of_no_class(climbed: tuple[Ladder, Climb]) -> None:
    ladder, climb = climbed
    found = run_to_end(check_robustness(ladder, climb, seed=3))
    assert (found.images_quarter, found.images_one_by_one) == (3 * 3, 36)
    assert found.one_by_one_everything == pytest.approx(climb.right("everything").mean())
    predictions = list(RunFolder(climb.run.path / "quarter-pool").read_predictions())
    assert len(predictions) == 3 * 3 + 12
