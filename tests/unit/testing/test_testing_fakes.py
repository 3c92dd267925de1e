"""The fakes that users test with: they keep the contracts of what they stand for."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from fieldmark.errors import InputError, NoImagesError, QuestionFailed
from fieldmark.prompts.describe import ask_describe
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.images.files import find_images

QUESTION = ask_describe("heron", noun="bird")


def test_words_in_common_decide_and_vectors_never_change(tmp_path: Path) -> None:
    for name, colour in (("red_finch", "red"), ("grey_heron", "gray")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    images = find_images(tmp_path).images
    encoder = HashingEncoder()
    encoded = encoder.encode_images(images)
    texts = encoder.encode_texts(["a red finch", "A grey heron."])
    assert (encoded.vectors @ texts.T).argmax(dim=1).tolist() == [1, 0]
    assert encoded.vectors.norm(dim=1).sub(1).abs().max() < 1e-6
    assert torch.equal(HashingEncoder().encode_images(images[:1]).vectors[0], encoded.vectors[0])
    assert (encoder.usage.distinct_images, encoder.usage.distinct_texts) == (2, 2)
    assert encoder.identity == HashingEncoder().identity != HashingEncoder(width=32).identity
    shown = HashingEncoder(lambda image: "owl").encode_images(images)
    assert (shown.vectors @ HashingEncoder().encode_texts(["owl"]).T).min() > 0.8


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    images = find_images(tmp_path).images
    (tmp_path / "a.png").unlink()
    encoder = HashingEncoder()
    encoded = encoder.encode_images(images)
    assert encoded.ok.tolist() == [False, True] and not encoded.vectors[0].any()
    assert [(Path(each.path).name, each.reason) for each in encoder.failures] == [
        ("a.png", "vanished since it was found")
    ]
    with pytest.raises(NoImagesError):
        encoder.encode_images(images[:1])


async def test_replies_by_kind_in_turn_by_function_and_errors() -> None:
    said = {"descriptors": ["a long bill"]}
    refused = QuestionFailed("no", reason="refused")
    model = ScriptedModel({"describe": [said, refused, {"descriptors": 3}]})
    assert (await model.ask(QUESTION)).value.descriptors == ["a long bill"]
    for reason in ("refused", "off_schema"):
        with pytest.raises(QuestionFailed) as raised:
            await model.ask(QUESTION)
        assert raised.value.reason == reason
    with pytest.raises(InputError, match="only 3 replies"):
        await model.ask(QUESTION)
    assert len(model.asked) == 4 and model.kinds() == ["describe.v1"]
    told = ScriptedModel(lambda question: {"descriptors": [data_of(question)["class"]]})
    assert (await told.ask(QUESTION)).value.descriptors == ["heron"]
    with pytest.raises(InputError, match="no reply to describe"):
        await ScriptedModel({"noun": {"noun": "bird"}}).ask(QUESTION)
