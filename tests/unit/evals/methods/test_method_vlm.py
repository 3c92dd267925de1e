"""What a vision-language model alone is asked about each image, and what becomes of its answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.errors import EndpointError, LimitReached, QuestionFailed
from fieldmark.evals.methods.vlm import METHODS, MOST_EXAMPLES, MOST_NAMES
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.score import labels_of
from fieldmark.evals.table.test_set import TestSet
from fieldmark.records import Question
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.images.files import ImageFile, find_images
from fieldmark.tools.llm.image_messages import image_to_send
from fieldmark.tools.runs.events import Event, LookingStarted, OpenImagesSeen
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.methods.made_up_bench import scored_by

NAMES = ("red finch", "blue heron", "white gull")


def bench_of(
    folder: Path, vlm: Any, *, names: tuple[str, ...] = NAMES, shots: int = 2, images: int = 2
) -> EvalBench:
    """A bench on small pictures by whose file names the encoder knows what they show."""

    def drawn(part: str, each: int):
        for at, name in enumerate(names):
            (folder / part / name).mkdir(parents=True)
            for copy in range(each):
                path = folder / part / name / f"{name} {part} {copy}.png"
                Image.fromarray(np.full((8, 8, 3), (at * 3, copy * 50, len(part)), np.uint8)).save(path)
        return find_images(folder / part, labels_from_folders=True).images

    test = TestSet(
        data="mine",
        setting="test",
        classes=names,
        noun="bird",
        images=drawn("test", images),
        train=drawn("train", shots) if shots else (),
    )
    run = RunFolder(folder / "run")
    return EvalBench.of(test, encoder=HashingEncoder(noise=0.0), llm=None, vlm=vlm, run=run)


def says(choice: str, confidence: int = 90) -> dict[str, Any]:
    return {"rationale": "a mark", "choice": choice, "confidence": confidence}


def images_by_url(bench: EvalBench) -> dict[str, ImageFile]:
    """Which image was sent; questions come in any order."""
    return {image_to_send(image).part.data_url: image for image in bench.test.images}


def last_of(question: Question[Any]) -> str:
    return question.messages[-1].images[-1].data_url


def test_the_choice_has_its_confidence_and_none_has_no_label(tmp_path: Path) -> None:
    failed = QuestionFailed("It refused.", reason="refused")
    said = [
        says("blue heron", 70),
        says("none"),
        says("a dodo"),
        says("Red Finch", 5),
        says("white gull", 100),
    ]
    replies: dict[str, Any] = {}
    model = ScriptedModel(lambda question: replies[last_of(question)])
    bench = bench_of(tmp_path, model)
    replies.update(zip(images_by_url(bench), [*said, failed], strict=True))
    told: list[Event] = []
    scored = scored_by("vlm", replace(bench, progress=told.append))
    assert [each for each in told if isinstance(each, LookingStarted)] == [LookingStarted(images=6)]
    assert [each.done for each in told if isinstance(each, OpenImagesSeen)] == [1, 2, 3, 4, 5, 6]
    assert scored.scores is not None and scored.probabilities is not None
    assert labels_of(scored.scores).tolist() == [1, -1, -1, 0, 2, -1]
    assert scored.probabilities[0].tolist() == pytest.approx([0.15, 0.7, 0.15])
    assert scored.probabilities[1].tolist() == pytest.approx([1 / 3] * 3)  # nothing was said of it
    assert scored.probabilities[3].tolist() == pytest.approx([1 / 3] * 3)  # less sure than chance
    assert scored.probabilities[4, 2] == pytest.approx(0.99)  # never certain
    assert torch.allclose(scored.probabilities.sum(1), torch.ones(6))
    assert bench.notes == ["1 questions brought no usable answer"]
    asked = model.asked[0]
    assert data_of(asked) == {"candidates": list(NAMES), "noun": "bird", "marks": []}
    assert len(asked.messages[-1].images) == 1


def test_of_many_classes_the_likeliest_are_named(tmp_path: Path) -> None:
    names = tuple(f"{chr(97 + n % 26) * 3}{chr(97 + n // 26) * 4} bird" for n in range(MOST_NAMES + 6))
    model = ScriptedModel(lambda question: says(question.about[0]))
    bench = bench_of(tmp_path, model, names=names, shots=0, images=1)
    scored_by("vlm", bench)
    sent = images_by_url(bench)
    assert len(model.asked) == len(sent) == len(names)
    for question in model.asked:
        assert len(question.about) == MOST_NAMES and sent[last_of(question)].label in question.about
    assert bench.notes == [f"of {len(names)} classes the encoder chose {MOST_NAMES} an image"]


def test_examples_come_first_one_of_each_of_the_likeliest_classes(tmp_path: Path) -> None:
    names = tuple(f"{chr(97 + n) * 4} bird" for n in range(MOST_EXAMPLES + 3))
    bench = bench_of(tmp_path, model := ScriptedModel(lambda q: says("none")), names=names, images=1)
    scored_by("vlm-examples", bench)
    sent = images_by_url(bench)
    assert len(model.asked) == len(sent) == len(names)
    for question in model.asked:
        image, examples = sent[last_of(question)], data_of(question)["examples"]
        assert question.prompt_id == "choose_by_examples.v1"
        assert examples[0] == image.label and len(set(examples)) == MOST_EXAMPLES
        assert len(question.messages[-1].images) == MOST_EXAMPLES + 1
        assert len(set(question.messages[-1].images)) == MOST_EXAMPLES + 1
        assert set(data_of(question)["candidates"]) == set(names)
    assert bench.cost.images == len(names)  # one of the two labelled images of each class


def test_a_limit_and_a_dead_endpoint_stop_it(tmp_path: Path) -> None:
    for number, error in enumerate([LimitReached("No more."), EndpointError("It is down.")]):

        def stops(question: Question[Any], error: Exception = error) -> Exception:
            return error

        with pytest.raises(type(error)):
            scored_by("vlm", bench_of(tmp_path / str(number), ScriptedModel(stops)))


def test_what_is_asked_is_foretold(tmp_path: Path) -> None:
    for number, method in enumerate(METHODS):
        model = ScriptedModel(lambda q: says("none"))
        bench = bench_of(tmp_path / str(number), model)
        twice = replace(bench.test, images=(*bench.test.images, bench.test.images[0]))
        (bound,) = method.follows(twice)
        scored_by(method.key, replace(bench, test=twice))
        assert bound.most == len(model.asked) == len(bench.test.images)
        size = len(bound.longest[0].messages[-1].content)
        assert size >= max(len(question.messages[-1].content) for question in model.asked)
        assert len(bound.longest[0].messages[-1].images) == len(model.asked[0].messages[-1].images)
