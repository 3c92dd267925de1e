"""What a prompt search would ask, told before it asks."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.optimize.estimate import estimated
from fieldmark.app.event_loop import run_to_end
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.llm.given import GivenModel
from tests.graph.test_optimize import SMALL, context_on, search
from tests.graph.world import FakeModel, World

FIRST = {"describe.v1", "synonyms.v1", "domain_words.v1"}


@pytest.mark.parametrize(
    "chosen",
    [{}, {"operators": ("reflect",), "reflections": 2, "passes": 3}, {"contrasts": 0, "synonyms": 0}],
)
def test_no_search_asks_more_than_was_foretold(tmp_path: Path, chosen: dict[str, Any]) -> None:
    world, options = World(), SMALL.model_copy(update=chosen)
    model = FakeModel(world)
    context = context_on(tmp_path, world, llm=model, options=options)
    images = LabelledImages(classes=world.names, train=context.train, test=context.test)
    told = run_to_end(
        estimated(images, noun="bird", options=options, given=GivenTexts(), llm=GivenModel(model))
    )
    assert not model.asked
    search(context)
    first = [question for question in model.asked if question.prompt_id in FIRST]
    assert told.first_look.questions == told.first_look.to_ask == len(first)
    assert len(model.asked) - len(first) <= told.follow_up_most
    assert (told.follow_up_tokens > 0) == (told.follow_up_most > 0)
    assert (told.images, told.classes) == (len(images.train) + len(images.test), len(world.names))


def test_without_a_model_nothing_is_asked() -> None:
    world = World()
    images = LabelledImages(classes=world.names, train=(), test=())
    told = run_to_end(estimated(images, noun=None, options=SMALL, given=GivenTexts(), llm=None))
    assert (told.model, told.first_look.questions, told.follow_up_most) == (None, 0, 0)
