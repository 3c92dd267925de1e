"""Labels of people in the resolve graph, on the made-up world: before a run, and after it."""

from pathlib import Path

import pytest

from fieldmark.records import GivenLabel
from fieldmark.tools.runs.labels import append_labels, read_ask, read_given
from fieldmark.tools.scoring.evidence.labels import CANNOT_TELL, NONE_OF_THESE
from tests.graph.running import make_context, options, run
from tests.graph.world import FakeEncoder, World

WORLD = World()
IMAGES = WORLD.images(12)
OPTIONS = options(rule="evidence", max_rounds=1)


def context(folder: Path, **given):
    """Noise hides the classes from single images, so that groups decide."""
    return make_context(
        folder, WORLD, images=IMAGES, encoder=FakeEncoder(WORLD, noise=2.4), options=OPTIONS, **given
    )


def truth(image) -> int:
    return WORLD.numbers[WORLD.truth(image)]


def right(ran, hidden: set[str]) -> float:
    """Top-1 of the images that were not labelled."""
    found = [
        p.label == WORLD.truth(image)
        for p, image in zip(ran.predictions, IMAGES, strict=True)
        if image.content_hash not in hidden
    ]
    return sum(found) / len(found)


def test_asked_labels_are_taken_in_afterwards_without_a_question(tmp_path: Path) -> None:
    before = run(context(tmp_path))
    asked = read_ask(before.context.run)
    assert 0 < len(asked) <= OPTIONS.ask_labels
    by_hash = {image.content_hash: image for image in IMAGES}
    labels = {each.image_hash: truth(by_hash[each.image_hash]) for each in asked}
    after = run(context(tmp_path, labels=labels, llm=None))
    assert after.notebook == before.notebook
    for prediction in after.predictions:
        if prediction.image_hash in labels:
            assert (prediction.decided_by, prediction.status) == ("label", "resolved")
            assert prediction.label == WORLD.names[labels[prediction.image_hash]]
        else:
            assert prediction.decided_by == "loop"
        parts = sum(part.contribution for part in prediction.contributions)
        assert prediction.margin is None or parts == pytest.approx(prediction.margin, abs=1e-4)
    assert right(after, set(labels)) > right(before, set(labels))
    assert not {each.image_hash for each in read_ask(after.context.run)} & set(labels)
    assert run(context(tmp_path, labels=labels, llm=None)).raw == after.raw


def test_labels_known_before_a_run_are_used_in_it(tmp_path: Path) -> None:
    labels = {IMAGES[0].content_hash: 5, IMAGES[1].content_hash: NONE_OF_THESE}
    labels[IMAGES[2].content_hash] = CANNOT_TELL
    ran = run(context(tmp_path, labels=labels))
    first, second, third = ran.predictions[:3]
    assert (first.label, first.status, first.decided_by) == (WORLD.names[5], "resolved", "label")
    assert (second.status, second.decided_by, second.ignorance) == ("rejected", "label", 1.0)
    assert third.decided_by == "loop"
    assert not {each.image_hash for each in read_ask(ran.context.run)} & set(labels)


def test_one_image_of_no_class_speaks_for_those_that_are_like_it(tmp_path: Path) -> None:
    odd = 7
    listed = tuple(name for name in WORLD.names if name != WORLD.names[odd])
    rows = {row for row, image in enumerate(IMAGES) if truth(image) == odd}

    def rejected(ran) -> set[int]:
        return {row for row, status in enumerate(ran.statuses) if status == "rejected"}

    before = run(context(tmp_path / "before", classes=listed))
    labels = {IMAGES[min(rows)].content_hash: NONE_OF_THESE}
    after = run(context(tmp_path / "after", classes=listed, labels=labels))
    assert not rejected(before) & rows
    assert len(rejected(after) & rows) > len(rows) // 2
    assert rejected(after) - rows <= rejected(before)
    assert min(after.predictions[row].ignorance or 0.0 for row in rows) > OPTIONS.risk
    assert "resolved" not in {after.statuses[row] for row in rows}


def test_a_run_that_names_no_image_leaves_no_list(tmp_path: Path) -> None:
    none = make_context(
        tmp_path, WORLD, images=IMAGES, options=options(rule="evidence", max_rounds=1, ask_labels=0)
    )
    run(none)
    assert not (tmp_path / "ask.csv").exists()


def test_of_two_labels_the_later_counts_and_odd_names_come_back(tmp_path: Path) -> None:
    folder = context(tmp_path).run
    names = ("=finch", "heron, grey")

    def said(image: str, answer: str, label: str | None = None) -> GivenLabel:
        return GivenLabel.model_validate(
            {"image": image, "image_hash": image[::-1], "answer": answer, "label": label}
        )

    append_labels(folder, [said("a.png", "class", "=finch"), said("b.png", "cannot tell")])
    append_labels(folder, [said("a.png", "class", "heron, grey"), said("c.png", "class", "=finch")])
    given = {each.image: (each.answer, each.label) for each in read_given(folder, names)}
    assert given == {
        "a.png": ("class", "heron, grey"),
        "b.png": ("cannot tell", None),
        "c.png": ("class", "=finch"),
    }
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 5
