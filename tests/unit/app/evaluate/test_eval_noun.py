"""The generic word of an evaluation: given, asked for where none was given, and kept for a resumed run."""

from dataclasses import replace
from pathlib import Path

from fieldmark.app.evaluate.inputs import ANYTHING, NO_NOUN, with_noun
from fieldmark.evals.table.test_set import TestSet
from fieldmark.records import UsageLimits
from fieldmark.testing import ScriptedModel
from fieldmark.tools.llm.given import GivenModel
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import World

WORLD = World()
TEST = TestSet(
    data="photos",
    setting="test",
    classes=WORLD.names,
    noun=ANYTHING,
    images=tuple(WORLD.image(number, labelled=True) for number in range(len(WORLD.names))),
    notes=("Something else.", NO_NOUN),
)


def asked() -> tuple[ScriptedModel, GivenModel]:
    model = ScriptedModel({"noun": {"noun": "bird"}})
    return model, GivenModel(model, UsageLimits())


async def test_the_word_is_asked_for_where_none_was_given(tmp_path: Path) -> None:
    model, llm = asked()
    run = RunFolder.create(tmp_path, kind="eval", options={})
    found = await with_noun(TEST, llm=llm, run=run, progress=no_progress)
    assert (found.noun, found.concept) == ("bird", "bird")
    assert found.notes[0] == "Something else."
    assert '"bird" was asked for' in found.notes[1]
    assert model.kinds() == ["noun.v1"]
    again = await with_noun(TEST, llm=llm, run=run, progress=no_progress)
    assert (again.noun, model.kinds()) == ("bird", ["noun.v1"])


async def test_a_given_word_stays_and_nobody_is_asked_without_a_model(tmp_path: Path) -> None:
    model, llm = asked()
    run = RunFolder.create(tmp_path, kind="eval", options={})
    given = replace(TEST, noun="fish", notes=())
    assert await with_noun(given, llm=llm, run=run, progress=no_progress) is given
    assert await with_noun(TEST, llm=None, run=run, progress=no_progress) is TEST
    assert model.asked == []
