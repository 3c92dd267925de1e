"""The ladder's rungs, on the made-up world."""

from pathlib import Path

import numpy as np
import pytest

from fieldmark.app.event_loop import run_to_end
from fieldmark.evals.demo.ladder import (
    FUDD_K,
    RUNGS,
    Climb,
    Ladder,
    World,
    everything,
    fudd_options,
    inner,
)
from fieldmark.records import AttributeVote
from fieldmark.tools.runs.events import RungStarted
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.running import Events, options
from tests.graph.world import FakeEncoder, FakeModel
from tests.graph.world import World as MadeUp

WORLD = MadeUp()
IMAGES = tuple(WORLD.image(number, copy, labelled=True) for number in range(16) for copy in range(3))
LABELLED = World(classes=WORLD.names, noun="bird", images=IMAGES)


def climb(folder: Path, model: FakeModel, events: Events) -> Climb:
    ladder = Ladder(encoder=FakeEncoder(WORLD), llm=model, options=options(noun="fish"), progress=events)
    return run_to_end(ladder.climb(LABELLED, RunFolder(folder)))


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Climb, FakeModel, Events]:
    model, events = FakeModel(WORLD), Events()
    return climb(tmp_path_factory.mktemp("run"), model, events), model, events


def test_every_rung_labels_every_image(climbed: tuple[Climb, FakeModel, Events]) -> None:
    found, _, events = climbed
    assert tuple(found.labels) and set(found.labels) == set(RUNGS)
    for rung in RUNGS:
        assert found.labels[rung].shape == (48,)
        assert set(found.labels[rung].tolist()) <= set(range(16))
    assert [event.name for event in events.of(RungStarted)] == [
        "names", "resolve", "descriptors_more", "fudd", "everything",
    ]  # fmt: skip


def test_the_rungs_know_more_and_more(climbed: tuple[Climb, FakeModel, Events]) -> None:
    found, _, _ = climbed
    right = {rung: float(found.right(rung).mean()) for rung in RUNGS}
    assert right["names"] < 0.3  # unknown names
    assert right["names"] < right["descriptors"] < 0.6  # families, no look-alikes
    assert right["resolve"] > 0.9


def test_truth_comes_from_the_labels_and_right_from_both(climbed: tuple[Climb, FakeModel, Events]) -> None:
    found, _, _ = climbed
    assert found.world.truth.tolist() == [number for number in range(16) for _ in range(3)]
    spoiled = Climb(**{**vars(found), "labels": {"names": np.zeros(48, dtype=np.int64)}})
    assert spoiled.right("names").sum() == 3


def test_questions_are_counted_and_the_control_gets_at_least_as_many(
    climbed: tuple[Climb, FakeModel, Events],
) -> None:
    found, model, _ = climbed
    counts = found.questions
    assert counts["names"] == counts["templates"] == 0
    assert counts["descriptors"] == 16
    assert counts["resolve"] == len(found.notebook.notes) > 16
    assert counts["descriptors_more"] >= counts["resolve"]
    assert counts["fudd"] == counts["everything"] == len(found.fudd_notebook.notes)
    assert {note.spec.kind for note in found.fudd_notebook.notes} == {"pair"}
    again = max(q.sample for q in model.asked if q.prompt_id == "describe.v1")
    assert again == -(-counts["resolve"] // 16) - 1


def test_the_worlds_noun_is_used_throughout(climbed: tuple[Climb, FakeModel, Events]) -> None:
    _, model, _ = climbed
    assert not any('"fish"' in question.messages[-1].content for question in model.asked)


def test_each_part_has_a_folder_of_its_own(climbed: tuple[Climb, FakeModel, Events]) -> None:
    found, _, _ = climbed
    for folder in (found.run.path, found.run.path / "descriptors_more", found.run.path / "fudd"):
        assert (folder / "predictions.jsonl").is_file()
    assert [p.image for p in found.predictions] == [str(image.path) for image in IMAGES]
    assert inner(found.run, "fudd").path == found.run.path / "fudd"


def test_labels_are_never_looked_at(tmp_path: Path, climbed: tuple[Climb, FakeModel, Events]) -> None:
    """With every label wrong the labels found are the same."""
    found, _, _ = climbed
    wrong = World(
        classes=WORLD.names,
        noun="bird",
        images=tuple(
            type(image)(image.path, image.content_hash, WORLD.names[(n + 5) % 16])
            for n, image in enumerate(IMAGES)
        ),
    )
    ladder = Ladder(encoder=FakeEncoder(WORLD), llm=FakeModel(WORLD), options=options(), progress=Events())
    blind = run_to_end(ladder.climb(wrong, RunFolder(tmp_path)))
    for rung in RUNGS:
        np.testing.assert_array_equal(blind.labels[rung], found.labels[rung])


def test_fudd_runs_as_its_authors_run_it() -> None:
    chosen = fudd_options("bird")
    assert (chosen.start, chosen.rule, chosen.ask, chosen.candidates) == ("names", "fudd", "pairs", "topk")
    assert (chosen.k, chosen.max_rounds, chosen.noun) == (FUDD_K, 1, "bird")


def test_everything_lists_each_mark_once_under_the_noun() -> None:
    def vote(name: str, value: str, source: str) -> AttributeVote:
        return AttributeVote(class_name=name, attribute="bill", value=value, source=source)

    votes = [
        vote("finch", "a red bill", "1"),
        vote("finch", "a red bill", "2"),
        vote("gull", "a blue bill", "1"),
    ]
    world = World(classes=("finch", "gull", "owl"), noun="bird", images=())
    assert everything(votes, world) == [
        ["a photo of a bird, which has a red bill."],
        ["a photo of a bird, which has a blue bill."],
        ["a photo of an owl."],
    ]
