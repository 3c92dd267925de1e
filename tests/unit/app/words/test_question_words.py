"""Rules of the loop's questions, searched for with a language model that goes by them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.words.questions import QuestionRewording, parts_of
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.species import species_book
from fieldmark.errors import LimitReached
from fieldmark.prompts.describe import PROMPT_ID as DESCRIBE
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.rules import with_rules
from fieldmark.records import UsageLimits
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.llm.answer_schema import strict_schema

BELLY = {"veyzan": "crimson", "wimyor": "azure", "dolmar": "jade", "sorvel": "ivory"}
BETTER = "- Name the colour of the belly."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of each class, whose file names say what they show, and no class."""
    for row, (name, colour) in enumerate(BELLY.items()):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for copy in range(6):
            picture = Image.fromarray(np.full((8, 8, 3), (20 * copy, 60 * row, 90), dtype=np.uint8))
            picture.save(tmp_path / "birds" / name / f"{colour} belly {copy}.png")
    return tmp_path / "birds"


def model() -> ScriptedModel:
    """Describes a class by what counts only where it is told to."""

    def said(question: Any) -> Any:
        data = data_of(question)
        if question.prompt_id == "reword.v1":
            assert data["outcomes"][0]["right"] == "no"
            return {"why": "it names no belly", "rewording": BETTER}
        told = BETTER in question.messages[-1].content
        return {"descriptors": [f"a {BELLY[data['class']]} belly" if told else "a long tail"]}

    return ScriptedModel(said)


def searching(folder: Path, llm: ScriptedModel, **more: Any) -> QuestionRewording:
    return QuestionRewording(
        data=folder,
        llm=llm,
        clip=HashingEncoder(),
        noun="bird",
        options=ResolveOptions(max_rounds=0),
        home=folder.parent / "home",
        **more,
    )


def test_rules_are_found_that_make_the_loop_right(folder: Path) -> None:
    llm = model()
    foretold = searching(folder, llm).estimate().follow_up_most
    words = searching(folder, llm).search()
    assert words.instructions == {DESCRIBE: BETTER}
    found = words.found
    assert found is not None and found.right is not None
    assert found.right[0] < 0.6 and found.right[1] == 1
    assert (found.labels, found.held_out) == (12, 12)
    assert len(llm.asked) <= found.calls + 1 <= foretold


def test_a_limit_ends_the_search(folder: Path) -> None:
    with pytest.raises(LimitReached):
        searching(folder, model(), limits=UsageLimits(max_calls=6)).search()


def test_parts_are_the_questions_that_the_loop_asks() -> None:
    assert parts_of(ResolveOptions(max_rounds=0)) == (DESCRIBE,)
    assert parts_of(ResolveOptions(start="names", ask="pairs")) == ("differentiate.v1",)
    assert parts_of(ResolveOptions()) == (DESCRIBE, "differentiate_group.v1", "tabulate.v1")


def test_the_scripted_guide_goes_by_the_data_of_a_question_whatever_its_rules() -> None:
    """Why the aviary cannot tell what rules are worth: the documentation says so."""
    book = species_book(3, new=3, known=0)
    asked = ask_describe(book[0].name, noun="bird")
    other = with_rules(asked, {DESCRIBE: BETTER})
    schema = strict_schema(asked.answer_model)
    assert Guide(book).answer(asked.messages, schema) == Guide(book).answer(other.messages, schema)
