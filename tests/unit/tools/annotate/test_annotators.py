"""What holds for every annotator, whatever it looks with."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.records import Clause, Definition, EncoderUsage, SkippedInput
from fieldmark.tools.annotate.annotator import Annotator
from fieldmark.tools.annotate.clause_tree import call_of
from fieldmark.tools.annotate.clip import ClipAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.clip.encoder import EncodedImages
from fieldmark.tools.images.files import ImageFile
from tests.seeing import COLOURS, SeeingModel, definition, draw

RED, BLUE = "The picture is red.", "The picture is blue."


class ColourEncoder:
    """Images and texts by their colours: a real file is read, a text says the colours that it names."""

    name, identity, width, context_length = "colours", "c" * 64, len(COLOURS), 77
    logit_scale, random_weights, reference = 10.0, False, None
    usage = EncoderUsage()
    failures: tuple[SkippedInput, ...] = ()

    def encode_images(self, images: list[ImageFile], **_: object) -> EncodedImages:
        ok = torch.tensor([image.path.exists() for image in images])
        vectors = torch.zeros(len(images), self.width)
        for row, image in enumerate(images):
            if ok[row]:
                pixel = Image.open(image.path).getpixel((5, 5))
                vectors[row, list(COLOURS.values()).index(pixel)] = 1  # pyright: ignore[reportArgumentType]
        return EncodedImages(vectors, ok)

    def encode_texts(self, texts: list[str], **_: object) -> torch.Tensor:
        return torch.tensor([[float(colour in text) for colour in COLOURS] for text in texts])


def seeing() -> Annotator:
    return VlmAnnotator(SeeingModel(), model="m@e", store=VerdictStore(MemoryByteStore()))


def comparing() -> Annotator:
    return ClipAnnotator(ColourEncoder(), torch.eye(len(COLOURS)).repeat(8, 1), noun="picture")


@pytest.fixture(params=[seeing, comparing], ids=["vlm", "clip"])
def annotator(request: pytest.FixtureRequest) -> Annotator:
    make: Callable[[], Annotator] = request.param
    return make()


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    return draw(tmp_path / "p", ["red", "blue", "green", "red"])


async def test_one_verdict_for_each_image_in_order(annotator: Annotator, images: list[ImageFile]) -> None:
    verdicts = await annotator.judge(images, definition(RED))
    assert [v.image for v in verdicts] == [image.content_hash for image in images]
    assert [v.call for v in verdicts] == ["in", "out", "out", "in"]
    assert {v.annotator for v in verdicts} == {annotator.identity}
    backwards = await annotator.judge(images[::-1], definition(RED))
    assert backwards == verdicts[::-1]


async def test_one_verdict_for_each_active_clause_and_the_call_that_follows(
    annotator: Annotator, images: list[ImageFile]
) -> None:
    tree = Definition(
        clauses=(
            Clause(id="p1", role="positive", text=RED),
            Clause(id="p2", role="positive", text=BLUE),
            Clause(id="gone", role="necessary", text="The picture is grey.", state="dropped"),
        )
    )
    verdicts = await annotator.judge(images, tree)
    assert [v.call for v in verdicts] == ["in", "in", "out", "in"]
    for verdict in verdicts:
        assert [clause.clause for clause in verdict.clauses] == ["p1", "p2"]
        assert (verdict.call, verdict.p) == call_of(tree, verdict.clauses)
        assert all(clause.p is not None and 0 <= clause.p <= 1 for clause in verdict.clauses)


async def test_a_finding_and_its_probability_agree(annotator: Annotator, images: list[ImageFile]) -> None:
    for verdict in await annotator.judge(images, definition(RED, BLUE)):
        for clause in verdict.clauses:
            assert clause.p is not None
            assert (clause.finding == "yes") == (clause.p >= 0.5)


async def test_a_file_that_vanished_is_abstained_from_and_never_out(
    annotator: Annotator, images: list[ImageFile]
) -> None:
    images[1].path.unlink()
    verdicts = await annotator.judge(images, definition(RED))
    assert [v.call for v in verdicts] == ["in", "abstain", "out", "in"]
    assert (verdicts[1].p, verdicts[1].clauses[0].finding) == (None, "abstain")


async def test_nothing_to_judge_and_nothing_to_judge_by(
    annotator: Annotator, images: list[ImageFile]
) -> None:
    assert await annotator.judge([], definition(RED)) == ()
    assert [v.call for v in await annotator.judge(images[:1], Definition())] == ["abstain"]
    assert annotator.calls == 0


async def test_progress_ends_with_all_of_them(annotator: Annotator, images: list[ImageFile]) -> None:
    told: list[tuple[int, int]] = []
    await annotator.judge(images, definition(RED), progress=lambda *at: told.append(at))
    assert told[-1] == (4, 4) and told == sorted(told)


async def test_judging_again_costs_nothing_and_says_the_same(
    annotator: Annotator, images: list[ImageFile]
) -> None:
    first = await annotator.judge(images, definition(RED))
    calls = annotator.calls
    assert await annotator.judge(images, definition(RED)) == first
    assert annotator.calls == calls
