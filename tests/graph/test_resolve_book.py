"""The loop on top of a book that labelled images chose: it does not lose what the book had."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from fieldmark import Classifier
from fieldmark.agents.resolve.evidence import weighed
from fieldmark.records import GivenLabel, Origin, Prompt, PromptBook
from tests.graph import classifying
from tests.graph.running import Ran, make_context, options, run
from tests.graph.world import NAMES, PARTS, FakeEncoder, FakeModel, World

WORLD = World()
LIES = World(names=(*reversed(NAMES[:8]), *NAMES[8:]))
"""What the language model believes: each of the first eight looks like another of them."""
IMAGES = WORLD.images(5)
LABELLED = tuple(WORLD.image(number, copy, labelled=True) for number in range(16) for copy in (90, 91, 92))


def book(*, labelled: bool) -> PromptBook:
    """All marks of every class, as a search would find them."""
    return PromptBook(
        classes=NAMES,
        noun="bird",
        pooling="prototype",
        prompts=tuple(
            Prompt(
                class_name=name,
                text=f"a photo of a bird, which has {WORLD.value(name, part)}.",
                origin=Origin(kind="descriptor"),
            )
            for name in NAMES
            for part in PARTS
        ),
        labelled=tuple(
            GivenLabel(
                image=str(image.path), image_hash=image.content_hash, answer="class", label=image.label
            )
            for image in LABELLED
            if labelled
        ),
    )


def ran(
    folder: Path,
    *,
    labelled: bool,
    judges: Mapping[str, int] = MappingProxyType({}),
    labels: Mapping[str, int] = MappingProxyType({}),
    groups: Mapping[str, str] = MappingProxyType({}),
    **chosen: object,
) -> Ran:
    return run(
        make_context(
            folder,
            WORLD,
            images=IMAGES,
            encoder=FakeEncoder(WORLD, noise=1.5),
            llm=FakeModel(LIES),
            book=book(labelled=labelled),
            calibration=LABELLED if labelled else (),
            judges=judges,
            labels=labels,
            groups=groups,
            options=options(**{"rule": "evidence", "start": "book", **chosen}),
        )
    )


def test_the_loop_keeps_what_a_chosen_book_knows_where_answers_are_wrong(tmp_path: Path) -> None:
    alone = ran(tmp_path / "alone", labelled=False, rule="table", max_rounds=0)
    before = ran(tmp_path / "before", labelled=False)
    after = ran(tmp_path / "after", labelled=True)
    assert alone.right(WORLD) > 0.9
    assert before.right(WORLD) < alone.right(WORLD) - 0.1
    assert after.right(WORLD) >= alone.right(WORLD)
    assert after.state.round > 0


def test_labelled_images_pass_beside_the_pool_and_are_not_reported(tmp_path: Path) -> None:
    found = ran(tmp_path, labelled=True)
    assert [p.image_hash for p in found.predictions] == [image.content_hash for image in IMAGES]
    assert {p.decided_by for p in found.predictions} == {"loop"}
    for prediction in found.predictions:
        parts = sum(part.contribution for part in prediction.contributions)
        assert prediction.margin is None or parts == pytest.approx(prediction.margin, abs=1e-4)
    assert ran(tmp_path, labelled=True).raw == found.raw


def test_images_that_were_held_out_judge_and_keep_their_own_label(tmp_path: Path) -> None:
    held = IMAGES[::2]
    wrong = {image.content_hash: (NAMES.index(WORLD.truth(image)) + 1) % len(NAMES) for image in held}
    right = {image.content_hash: NAMES.index(WORLD.truth(image)) for image in held}
    plain = ran(tmp_path / "plain", labelled=True)
    found, doubted = (
        ran(tmp_path / f"{n}", labelled=True, judges=each) for n, each in enumerate((right, wrong))
    )
    assert {p.decided_by for p in found.predictions} == {"loop"}
    assert found.right(WORLD) >= plain.right(WORLD)
    assert doubted.right(WORLD) > 0.5, "what judges say of their class is not taken over"
    sure = [sum(p.confidence for p in each.predictions) / len(IMAGES) for each in (found, doubted)]
    assert sure[1] < sure[0] - 0.2


def test_an_image_whose_group_was_labelled_judges_nothing(tmp_path: Path) -> None:
    """Its label speaks for it, so that its own evidence would look righter than it is."""
    judges = {image.content_hash: NAMES.index(WORLD.truth(image)) for image in IMAGES[::2]}
    groups = {image.content_hash: WORLD.truth(image) for image in IMAGES}
    first = {WORLD.truth(image): image for image in reversed(IMAGES)}
    labels = {image.content_hash: NAMES.index(name) for name, image in first.items()}

    def judged(folder: str, **given: object) -> bool:
        found = ran(tmp_path / folder, labelled=True, judges=judges, **given)
        return weighed(found.state.notebook, found.context).evidence.judged

    assert judged("alone")
    assert judged("grouped", groups=groups)
    assert not judged("told", groups=groups, labels=labels)


def labelled_in(folder: Path, which: list[tuple[int, int]]) -> tuple[GivenLabel, ...]:
    """Pictures on the disk, with their labels."""
    classifying.draw(folder, which)
    paths = [folder / f"{number}-{copy}.png" for number, copy in which]
    return tuple(
        GivenLabel(
            image=str(path),
            image_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
            answer="class",
            label=classifying.WORLD.names[number],
        )
        for path, (number, _) in zip(paths, which, strict=True)
    )


def test_a_classifier_takes_the_labelled_images_of_its_book(tmp_path: Path) -> None:
    pool = classifying.draw(tmp_path / "pool", [(number, copy) for number in range(6) for copy in range(4)])
    beside = labelled_in(tmp_path / "train", [(number, 8) for number in range(6)])
    inside = GivenLabel(
        image="moved away.png",
        image_hash=hashlib.sha256((pool / "2-1.png").read_bytes()).hexdigest(),
        answer="class",
        label="robin",
    )
    held = labelled_in(tmp_path / "held", [(number, copy) for number in range(6) for copy in (10, 11, 12)])
    book = classifying.BOOK.model_copy(update={"labelled": (*beside, inside), "held_out": held})

    def classified(**given: object) -> Classifier:
        world = classifying.WORLD
        return Classifier(
            classes=world.names,
            clip=FakeEncoder(world),
            llm=FakeModel(world),
            noun="bird",
            book=book,
            out=tmp_path / "runs",
            **given,  # pyright: ignore[reportArgumentType]
        )

    found = classified(options=options(rule="evidence")).resolve(pool)
    assert (found.manifest.counts["book_labels"], found.manifest.counts["book_judges"]) == (7, 18)
    asked = (found.run / "ask.csv").read_text(encoding="utf-8")
    assert "held" not in asked
    assert len(found.predictions) == 24
    told = {p.image_hash: p for p in found.predictions}[inside.image_hash]
    assert (told.label, told.decided_by, told.status) == ("robin", "label", "resolved")
    assert "labels" not in found.manifest.counts

    other = classified(options=options(rule="evidence"), labels={str(pool / "2-1.png"): "gull"}).resolve(pool)
    assert {p.image_hash: p for p in other.predictions}[inside.image_hash].label == "gull"

    (tmp_path / "train" / "0-8.png").unlink()
    less = classified(options=options(rule="evidence")).resolve(pool)
    assert less.manifest.counts["book_labels"] == 6
    assert "1 of the prompt book's 25 labelled images are gone; the others are used." in less.manifest.notes
    assert less.manifest.skipped == ()

    alone = classified(options=options(max_rounds=0)).resolve(pool)
    assert "book_labels" not in alone.manifest.counts
