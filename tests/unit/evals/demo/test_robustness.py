"""The loop where its pool does not help it."""

from pathlib import Path

import pytest
import torch

from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import InputError
from fieldmark.evals.demo.ladder import Climb, Ladder
from fieldmark.evals.demo.robustness import Robustness, check_robustness, one_by_one
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.running import Events, options
from tests.graph.world import FakeEncoder, FakeModel
from tests.unit.evals.demo.test_ladder import LABELLED, WORLD


def shares(value: float, quarter: int, single: int) -> Robustness:
    return Robustness(
        quarter_pool_resolve=value,
        quarter_pool_everything=0.5,
        one_by_one_resolve=value,
        one_by_one_everything=0.25,
        images_quarter=quarter,
        images_one_by_one=single,
    )


def test_books_are_pooled_by_their_images() -> None:
    pooled = Robustness.mean([shares(1.0, 10, 100), shares(0.5, 30, 100)])
    assert pooled == shares(0.625, 40, 200).model_copy(update={"one_by_one_resolve": 0.75})


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ladder, Climb]:
    encoder = FakeEncoder(WORLD)
    ladder = Ladder(encoder=encoder, llm=FakeModel(WORLD), options=options(), progress=Events())
    climb = run_to_end(ladder.climb(LABELLED, RunFolder(tmp_path_factory.mktemp("run"))))
    encoder.reference = encoder.encode_images(WORLD.images(4)).vectors
    return ladder, climb


def test_a_quarter_of_the_classes_is_shown_and_all_may_be_said(climbed: tuple[Ladder, Climb]) -> None:
    ladder, climb = climbed
    found = run_to_end(check_robustness(ladder, climb, seed=3))
    assert (found.images_quarter, found.images_one_by_one) == (4 * 3, 48)
    assert found.quarter_pool_resolve > 0.5
    assert found.one_by_one_everything == pytest.approx(climb.right("everything").mean())
    folder = climb.run.path / "quarter-pool"
    predictions = list(RunFolder(folder).read_predictions())
    assert len({p.truth for p in predictions}) == 4
    assert predictions[0].first_label in WORLD.names


def test_an_image_alone_is_scored_as_it_would_be_among_others(climbed: tuple[Ladder, Climb]) -> None:
    ladder, climb = climbed
    alone = one_by_one(ladder, climb)
    assert alone.shape == (48,)
    few = Climb(**{**vars(climb), "world": type(LABELLED)(
        classes=LABELLED.classes, noun="bird", images=LABELLED.images[7:9])})  # fmt: skip
    torch.testing.assert_close(one_by_one(ladder, few), alone[7:9])


def test_without_a_reference_no_image_can_be_read_alone(
    climbed: tuple[Ladder, Climb], tmp_path: Path
) -> None:
    _, climb = climbed
    bare = Ladder(encoder=FakeEncoder(WORLD), llm=FakeModel(WORLD), options=options(), progress=Events())
    with pytest.raises(InputError, match="reference"):
        one_by_one(bare, climb)
