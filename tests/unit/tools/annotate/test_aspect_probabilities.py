"""How sure an annotator is of an aspect: the share of its word where that is told, else what it states."""

from dataclasses import replace
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.tools.annotate.aspects import LOOKING, as_clauses, aspect_questions, write_aspects
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.answer_store import ModelAnswer
from fieldmark.tools.llm.word_shares import Shares
from tests.seeing import SURE, SeeingModel, draw

TEXTS = ("The picture is red.", "The picture is blue.", "The hidden part is green.")


class Telling(SeeingModel):
    """Tells how likely which words were, besides."""

    shares: Shares = ()

    async def ask(self, question: Any) -> ModelAnswer[Any]:
        assert question.weigh == "finding"
        return replace(await super().ask(question), shares=self.shares)


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        (({"yes": 0.6, "no": 0.2}, {"n": 0.9, "y": 0.1}, {"yes": 1.0}), [0.75, 0.1, None]),
        (({"yes": 0.6, "no": 0.2},), [SURE / 100, 1 - SURE / 100, None]),  # not of all findings
        ((), [SURE / 100, 1 - SURE / 100, None]),
        (({"maybe": 0.6}, {"no": 1.0}, {}), [SURE / 100, 0.0, None]),
    ],
)
async def test_probabilities_are_those_of_words_where_they_are_told(tmp_path, shares, wanted):
    (image,) = draw(tmp_path / "pictures", ["red"])
    model = Telling()
    model.shares = shares
    annotator = VlmAnnotator(model, model="m", store=VerdictStore(MemoryByteStore()))
    (verdict,) = await annotator.looking(LOOKING).judge([image], as_clauses(TEXTS))
    assert [each.p for each in verdict.clauses] == [p if p is None else pytest.approx(p) for p in wanted]
    assert annotator.looking(LOOKING).identity != annotator.identity


def test_aspects_are_shared_out_among_the_sets_of_classes():
    sets = [["a", "b"], ["c", "d"], ["e"]]
    asked = aspect_questions(sets, noun="bird", most=7)
    assert [(question.about, share) for question, share in asked] == [(("a", "b"), 2), (("c", "d"), 2)]


async def test_a_question_without_an_answer_is_counted_and_the_others_go_on():
    class Half(SeeingModel):
        async def ask(self, question: Any) -> Any:
            if "a" in question.about:
                from fieldmark.errors import QuestionFailed

                raise QuestionFailed("no", reason="malformed")
            said = {"aspects": [{"statement": "It is red.", "classes": ["c"]}]}
            return ModelAnswer(question.answer_model.model_validate(said), "k", False, None, None)

    found = await write_aspects(Half(), [["a", "b"], ["c", "d"]], noun="bird", most=4)
    assert found.parts == ((("c", "d"), {"It is red.": ("c",)}),)
    assert found.dropped == {"failed": 1}
