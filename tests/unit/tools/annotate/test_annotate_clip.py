"""The CLIP annotator on made-up vectors in which every value is a direction."""

from collections.abc import Sequence

import pytest
import torch

from fieldmark.errors import InputError, NoImagesError
from fieldmark.records import Clause, Definition
from fieldmark.tools.annotate.clip import ClipAnnotator, Labelled
from fieldmark.tools.clip.encoder import EncodedImages
from fieldmark.tools.images.files import ImageFile
from tests.graph.world import COLOURS, PARTS, FakeEncoder, World
from tests.seeing import definition

WORLD = World(names=tuple(f"bird {number}" for number in range(64)))
IMAGES = WORLD.images(2)


def annotator(
    *, encoder: FakeEncoder | None = None, dev: Sequence[Labelled] = (), images: Sequence[ImageFile] = IMAGES
) -> ClipAnnotator:
    encoder = encoder or FakeEncoder(WORLD)
    return ClipAnnotator(encoder, FakeEncoder(WORLD).encode_images(images).vectors, dev=dev, noun="bird")


def has(image: ImageFile, phrase: str) -> bool:
    return any(WORLD.value(WORLD.truth(image), part) == phrase for part in PARTS)


def agreement(verdicts: Sequence[object], truth: Sequence[bool]) -> float:
    pairs = zip(verdicts, truth, strict=True)
    return sum((v.call == "in") == t for v, t in pairs) / len(truth)  # pyright: ignore[reportAttributeAccessIssue]


async def test_clauses_are_read_off_the_vectors_without_any_label() -> None:
    for phrase in ("a red bill", "a blue wing"):
        verdicts = await annotator().judge(IMAGES, definition(f"The bird has {phrase}."))
        truth = [has(image, phrase) for image in IMAGES]
        assert 0.1 < sum(truth) / len(truth) < 0.5
        assert agreement(verdicts, truth) > 0.9


async def test_what_must_not_be_there_is_read_off_what_would_be_there() -> None:
    verdicts = await annotator().judge(IMAGES, definition("The bird has no red bill."))
    assert agreement(verdicts, [not has(image, "a red bill") for image in IMAGES]) > 0.9


async def test_the_tree_combines_the_clauses() -> None:
    both = Definition(
        clauses=(
            Clause(id="a", role="necessary", text="The bird has a red bill."),
            Clause(id="b", role="negative", text="The bird has a red tail."),
        )
    )
    verdicts = await annotator().judge(IMAGES, both)
    truth = [has(image, "a red bill") and not has(image, "a red tail") for image in IMAGES]
    assert agreement(verdicts, truth) > 0.9
    assert all(v.p is not None and [c.clause for c in v.clauses] == ["a", "b"] for v in verdicts)


def half_hidden(phrases: Sequence[str]) -> Definition:
    return Definition(
        clauses=tuple(
            Clause(id=f"c{i}", role="positive", text=f"The bird has {phrase}.")
            for i, phrase in enumerate(phrases)
        )
    )


async def test_dev_labels_move_the_thresholds_of_clauses() -> None:
    # Three of four colours suffice: most images are in, which the spread alone cannot know.
    phrases = [f"a {colour} wing" for colour in COLOURS[:3]]
    wide = half_hidden(phrases)
    truth = [any(has(image, phrase) for phrase in phrases) for image in IMAGES]
    dev = [Labelled(image, inside) for image, inside in zip(IMAGES[::4], truth[::4], strict=True)]
    noisy = FakeEncoder(WORLD, noise=1.2)
    rest = [row for row in range(len(IMAGES)) if row % 4]
    images, held_out = [IMAGES[row] for row in rest], [truth[row] for row in rest]
    before = await annotator(encoder=noisy).judge(images, wide)
    after = await annotator(encoder=noisy, dev=dev).judge(images, wide)

    def loss(verdicts: Sequence[object]) -> float:
        p = torch.tensor([v.p for v in verdicts])  # pyright: ignore[reportAttributeAccessIssue]
        y = torch.tensor(held_out, dtype=torch.float32)
        return float(torch.nn.functional.binary_cross_entropy(p, y))

    assert loss(after) < 0.9 * loss(before)
    again = await annotator(encoder=noisy, dev=dev).judge(images, wide)
    assert again == after


async def test_labels_of_one_kind_alone_do_no_harm() -> None:
    red = definition("The bird has a red bill.")
    dev = [Labelled(image, True) for image in IMAGES if has(image, "a red bill")][:6]
    verdicts = await annotator(dev=dev).judge(IMAGES, red)
    assert agreement(verdicts, [has(image, "a red bill") for image in IMAGES]) > 0.85


async def test_images_without_a_vector_abstain_and_are_no_label() -> None:
    gone = FakeEncoder(WORLD, gone=[IMAGES[0].path.name])
    dev = [Labelled(IMAGES[0], True)]
    verdicts = await annotator(encoder=gone, dev=dev).judge(IMAGES[:3], definition("a red bill"))
    assert [v.call == "abstain" for v in verdicts] == [True, False, False]
    assert (verdicts[0].p, verdicts[0].clauses[0].finding) == (None, "abstain")


async def test_no_readable_image_at_all_is_no_error() -> None:
    class Blind(FakeEncoder):
        def encode_images(self, images: Sequence[ImageFile], **_: object) -> EncodedImages:
            raise NoImagesError("none")

    verdicts = await annotator(encoder=Blind(WORLD)).judge(IMAGES[:2], definition("a red bill"))
    assert [v.call for v in verdicts] == ["abstain", "abstain"]


async def test_the_identity_names_what_verdicts_depend_on() -> None:
    plain = annotator()
    dev = [Labelled(IMAGES[0], True)]
    others = [annotator(dev=dev), annotator(dev=[Labelled(IMAGES[0], False)]), annotator(images=IMAGES[:40])]
    assert len({plain.identity, *(other.identity for other in others)}) == 4
    assert annotator().identity == plain.identity
    (verdict,) = await plain.judge(IMAGES[:1], definition("a red bill"))
    assert verdict.annotator == plain.identity


def test_too_small_or_foreign_references_are_refused() -> None:
    for reference in (torch.zeros(3, FakeEncoder.width), torch.zeros(50, 7), torch.zeros(50)):
        with pytest.raises(InputError):
            ClipAnnotator(FakeEncoder(WORLD), reference)
