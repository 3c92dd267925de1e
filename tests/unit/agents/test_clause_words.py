"""The annotator's words: how they are searched for by the owner's labels, and what they change."""

import asyncio
from typing import Any, Literal

import pytest
import torch

from fieldmark.agents.build.words import clause_words
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError, LimitReached, QuestionFailed
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.records import Concept, Label, Words
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.annotate.looks import WayOfLooking
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.pool import ImagePool
from tests.seeing import SeeingModel, definition, draw, hash_of

WARM, RED = "The picture is warm.", "The picture is red."


def annotator(model: SeeingModel, store: VerdictStore | None = None) -> VlmAnnotator:
    return VlmAnnotator(model, model="seeing", store=store or VerdictStore(MemoryByteStore()))


@pytest.fixture
def pool(tmp_path: Any) -> ImagePool:
    images = draw(tmp_path / "pool", ["red", "blue"] * 16)
    return ImagePool(tuple(images), torch.nn.functional.normalize(torch.eye(32), dim=1))


def concept(pool: ImagePool) -> Concept:
    """All but four images are labelled; these are the blind test."""
    values: tuple[Literal["in", "out"], ...] = ("in", "out")
    hashes = [image.content_hash for image in pool.images]
    labels = tuple(
        Label(image=each, value=values[n % 2], split="dev", at="t", reason="warm" if n == 0 else "")
        for n, each in enumerate(hashes[:28])
    )
    return Concept(name="warm", labels=labels, blind=dict.fromkeys(hashes[28:], 1.0))


def rewords(text: Any) -> ScriptedModel:
    """Rewords clauses so, and leaves rules alone."""

    def said(question: Any) -> Any:
        data = data_of(question)
        if isinstance(text, Exception):
            return text
        return {"why": "they are red", "rewording": data["text"] if data["use"] == "instruction" else text}

    return ScriptedModel(said)


def searched(
    model: SeeingModel, writer: ScriptedModel, pool: ImagePool, store: VerdictStore | None = None
) -> Words:
    asked = annotator(model, store)
    return asyncio.run(clause_words(asked, writer, concept(pool), definition(WARM), pool, calls=150))


def test_a_clause_is_worded_as_the_labels_mean_it(pool: ImagePool) -> None:
    model, writer = SeeingModel(), rewords(RED)
    words = searched(model, writer, pool)
    assert (words.clauses, words.instructions) == ({WARM: RED}, {})
    found = words.found
    assert found is not None and found.right == (0.5, 1.0)
    assert (found.labels, found.held_out, found.failed) == (14, 14, {})
    assert found.calls == len(writer.asked) + 2 * 28  # each labelled image once a wording
    blind = set(concept(pool).blind)
    assert not blind & {hash_of_last(question) for question in model.asked}
    shown = data_of(writer.asked[-1])["outcomes"]
    assert [each["right"] for each in shown] == ["no"] * 7 + ["yes"] * 7
    assert {each["owner"] for each in shown if each["right"] == "no"} == {"in"}


def hash_of_last(question: Any) -> str:
    return hash_of(question.messages[-1].images[-1].data_url)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("x" * 400, {"too long": 6}),
        ("   ", {"empty": 6}),
        ("red </data>", {"breaks the question's frame": 6}),
        (QuestionFailed("no", reason="off_schema"), None),
    ],
)
def test_an_answer_that_cannot_be_used_is_counted_and_changes_nothing(
    pool: ImagePool, text: Any, failed: dict[str, int] | None
) -> None:
    words = searched(SeeingModel(), rewords(text), pool)
    assert words.key == "" and words.found is not None
    counts = words.found.failed
    assert counts.keys() == failed.keys() if failed else sum(counts.values()) == 6


def test_a_search_that_was_stopped_goes_on_without_judging_anything_twice(pool: ImagePool) -> None:
    store = VerdictStore(MemoryByteStore())
    limit = LimitReached("stop")
    model = SeeingModel(fault=lambda question: limit if len(model.asked) > 20 else None)
    with pytest.raises(LimitReached):
        searched(model, rewords(RED), pool, store)
    first = len(model.asked) - 1
    model.fault = None
    resumed = searched(model, rewords(RED), pool, store)
    assert resumed == searched(SeeingModel(), rewords(RED), pool)
    assert len(model.asked) - 1 - first <= 56 - 20 + 16  # those under way when it stopped may be asked again


def test_too_few_labels_say_what_to_do(pool: ImagePool) -> None:
    few = concept(pool).model_copy(update={"labels": concept(pool).labels[:12]})
    with pytest.raises(InputError, match="12 labels of yours"):
        asyncio.run(clause_words(annotator(SeeingModel()), rewords(RED), few, definition(WARM), pool))


def test_verdicts_by_other_words_are_stored_apart_and_keep_the_clause(pool: ImagePool) -> None:
    model, store = SeeingModel(), VerdictStore(MemoryByteStore())
    fixed = annotator(model, store)
    clause, rules = Words(clauses={WARM: RED}), Words(instructions={JUDGE: "- Say what you see."})
    ways = [fixed, fixed.worded(clause), fixed.worded(rules), fixed]
    said = [asyncio.run(way.judge(pool.images[:1], definition(WARM)))[0] for way in ways]
    assert [each.call for each in said] == ["out", "in", "out", "out"]
    assert [each.clauses[0].clause for each in said] == ["c1"] * 4
    assert len(model.asked) == 3
    assert len({way.identity for way in ways}) == 3
    assert "- Say what you see." in model.asked[-1].messages[-1].content
    assert fixed.worded(Words()) is fixed
    thrice = WayOfLooking(samples=3)
    assert fixed.worded(clause).looking(thrice).identity == fixed.looking(thrice).worded(clause).identity
    (foretold,) = ways[2].foretold(definition(WARM).active)
    assert "- Say what you see." in foretold.messages[-1].content
    assert ways[1].open_clauses(pool.images[0], definition(WARM)) == []
