"""Public classes take an encoder and a language model as objects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldmark import (
    Classifier,
    ConceptConversation,
    DefineOptions,
    OptimizeOptions,
    Optimizer,
    ResolveOptions,
)
from fieldmark.errors import LimitReached
from fieldmark.prompts.describe import ask_describe
from fieldmark.records import UsageLimits
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.llm.given import GivenModel

BIRDS = {"finch": "red", "heron": "gray", "wren": "brown"}


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    for number in range(4):
        for name, colour in BIRDS.items():
            (tmp_path / "birds" / name).mkdir(parents=True, exist_ok=True)
            pixels = np.full((8, 8, 3), 40 * number + 20 + len(name), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "birds" / name / f"{colour}_{name}_{number}.png")
    return tmp_path / "birds"


def described(question: Any) -> dict[str, Any]:
    return {"descriptors": [f"{BIRDS[data_of(question)['class']]} feathers"]}


async def test_a_classifier_asks_the_objects_in_a_running_event_loop(tmp_path: Path, birds: Path) -> None:
    model, encoder = ScriptedModel({"describe": described, "noun": {"noun": "bird"}}), HashingEncoder()
    classifier = Classifier(
        classes=list(BIRDS),
        clip=encoder,
        llm=model,
        options=ResolveOptions(max_rounds=0),
        out=tmp_path / "runs",
    )
    found = await classifier.aresolve(birds)
    assert [each.label for each in found] == [Path(each.image).parent.name for each in found]
    assert sorted(model.kinds()) == ["describe.v1", "noun.v1"]
    assert found.manifest.language_model["model"] == "scripted-model"
    assert found.manifest.usage.requests == len(model.asked)
    assert found.manifest.encoder["name"] == "hashing"
    assert any("is a script" in note for note in found.manifest.notes)


def test_a_search_takes_objects(tmp_path: Path, birds: Path) -> None:
    small = OptimizeOptions(
        noun="bird", descriptor_samples=1, template_generations=1, generations=1, passes=1
    )
    model = ScriptedModel(lambda q: described(q) if q.prompt_id.startswith("describe") else {"noun": "bird"})
    result = Optimizer(
        data=birds, clip=HashingEncoder(), llm=model, noun="bird", options=small, out=tmp_path / "runs"
    ).run()
    assert result.best.test_top1 == 1.0 and "describe.v1" in model.kinds()


def test_a_concept_takes_objects(birds: Path) -> None:
    made = ConceptConversation.new(
        "Red birds", pool=birds, clip=HashingEncoder(), llm=ScriptedModel({}), options=DefineOptions(blind=2)
    )
    assert (made.setup.clip, made.setup.llm) == ("hashing", "scripted-model")
    assert len(made.images) == 8


async def test_a_given_model_keeps_to_its_limits() -> None:
    model = GivenModel(ScriptedModel({"describe": {"descriptors": ["a bill"]}}), UsageLimits(max_calls=1))
    question = ask_describe("finch", noun="bird")
    await model.ask(question)
    with pytest.raises(LimitReached):
        await model.ask(question)
    assert (model.usage.requests, model.usage.prompt_tokens, model.usage.cost) == (1, 1, None)
    assert not model.lasting and await model.identify() == "scripted-model@object:ScriptedModel"
