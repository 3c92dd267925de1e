"""From a planned question to the note of its answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.shared.ask import ask, ask_all, planned_question
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import CacheError, EndpointBusy, EndpointError, LimitReached, QuestionFailed
from fieldmark.prompts.registry import kind_of
from fieldmark.prompts.tabulate import MOST_VALUES, SeenValues
from fieldmark.records import ContextFactor, ContextValue, Family, QuestionSpec
from fieldmark.tools.runs.events import StepFailed
from tests.graph.running import Events, make_context
from tests.graph.world import FakeModel, World, data_of

WORLD = World()
PAIR = QuestionSpec(kind="pair", classes=("finch", "crane"))
BUSY = QuestionFailed("It was busy.", reason="http", status=429, retryable=True)


def test_each_kind_of_spec_stands_for_its_question(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    seen = SeenValues(values={"bill colour": tuple(f"value {n}" for n in range(MOST_VALUES + 3))})
    material = context.arrays.put_json(seen.model_dump(mode="json"))
    attributes = ("bill colour", "tail colour")
    specs = [
        QuestionSpec(kind="describe", classes=("finch",), sample=2),
        PAIR,
        QuestionSpec(kind="group", classes=("finch", "crane", "owl")),
        QuestionSpec(kind="again", classes=("finch", "crane"), attributes=attributes),
        QuestionSpec(kind="tabulate", classes=("finch",), sample=1, attributes=attributes, material=material),
        QuestionSpec(kind="synonyms", classes=("finch",)),
        QuestionSpec(kind="domain_words", classes=("finch", "crane")),
        QuestionSpec(kind="portray", classes=("finch",), text="What is {class} like?", sample=3),
        QuestionSpec(kind="task_questions", classes=("finch", "crane"), text="birds of a pond", sample=1),
        QuestionSpec(kind="subclasses", classes=("finch",), sample=1),
        QuestionSpec(kind="contexts", classes=("finch", "crane"), sample=1),
        QuestionSpec(kind="family", classes=("finch", "crane", "owl"), sample=1),
    ]
    questions = [kind_of(spec.kind).ask(planned_question(spec, context)) for spec in specs]
    assert [question.prompt_id for question in questions] == [
        "describe.v1", "differentiate.v1", "differentiate_group.v1", "differentiate_again.v1", "tabulate.v1",
        "synonyms.v1", "domain_words.v1", "portray.v1", "task_questions.v1", "subclasses.v1", "contexts.v1",
        "family.v1",
    ]  # fmt: skip
    assert [question.sample for question in questions] == [2, 0, 0, 0, 1, 0, 0, 3, 1, 1, 1, 1]
    assert [question.about for question in questions] == [spec.classes for spec in specs]
    assert data_of(questions[3])["tried"] == ["bill colour", "tail colour"]
    bill, tail = data_of(questions[4])["attributes"]
    assert bill["values_seen"] == [f"value {n}" for n in range(MOST_VALUES)]
    assert tail == {"name": "tail colour", "values_seen": []}
    assert data_of(questions[7])["question"] == "What is finch like?"
    assert data_of(questions[8])["task"] == "birds of a pond"
    assert {data_of(question)["noun"] for question in questions} == {"bird"}


def test_descriptors_become_prompts_and_differences_become_votes(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    described = run_to_end(ask(QuestionSpec(kind="describe", classes=("heron",)), context))
    assert [(p.class_name, p.text, p.origin.kind) for p in described.prompts] == [
        ("heron", "a photo of a heron, which has a blue belly.", "descriptor")
    ]
    paired = run_to_end(ask(PAIR, context))
    assert {(v.class_name, v.attribute, v.value) for v in paired.votes} >= {
        ("finch", "bill colour", "a red bill"),
        ("crane", "bill colour", "a blue bill"),
    }
    assert len({vote.source for vote in paired.votes}) == 1
    assert paired.votes[1].caption == "A photo of a crane, which has a blue bill."


def test_words_are_noted_as_words(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    named = run_to_end(ask(QuestionSpec(kind="synonyms", classes=("heron",)), context))
    assert (named.words, named.prompts, named.votes) == (("bird with a blue belly", "flyer"), (), ())
    words = run_to_end(ask(QuestionSpec(kind="domain_words", classes=WORLD.names), context))
    assert words.words == ("bird", "animal")


def test_sentences_questions_and_kinds_are_noted_as_words(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    spec = QuestionSpec(kind="portray", classes=("heron",), text="What is {class} like?")
    portrayed = run_to_end(ask(spec, context))
    assert portrayed.words[0] == "A photo of a heron with a blue belly." and len(portrayed.words) == 6
    asked = run_to_end(ask(QuestionSpec(kind="task_questions", classes=WORLD.names), context))
    assert (asked.words, asked.dropped) == (("What colour is the {class}?",), {"no_place": 1})
    kinds = run_to_end(ask(QuestionSpec(kind="subclasses", classes=("heron",)), context))
    assert (kinds.words, kinds.dropped) == (("young heron",), {"class_itself": 1, "repeated": 1})


def test_contexts_and_families_have_records_of_their_own(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    seen = run_to_end(ask(QuestionSpec(kind="contexts", classes=WORLD.names), context))
    values = (
        ContextValue(name="dawn", phrases=("at dawn",)), ContextValue(name="night", phrases=("at night",))
    )  # fmt: skip
    assert seen.contexts == (ContextFactor(name="light", values=values),)
    assert seen.dropped == {"repeated_phrase": 2}
    grouped = run_to_end(ask(QuestionSpec(kind="family", classes=("finch", "crane", "owl")), context))
    assert grouped.families == (
        Family(name="first", classes=("finch", "crane")), Family(name="owl", classes=("owl",))
    )  # fmt: skip
    assert (grouped.dropped, grouped.words, grouped.votes) == ({"unlisted_class": 1}, (), ())


def test_questions_about_one_class_are_told_apart_by_their_text() -> None:
    one, other = (QuestionSpec(kind="portray", classes=("owl",), text=text) for text in ("a", "b"))
    assert one.key != other.key == other.model_copy(update={"need": 2.0}).key


@pytest.mark.parametrize(
    ("error", "failure", "reason"),
    [
        (QuestionFailed("It would not.", reason="refused"), "question", "refused: It would not."),
        (BUSY, "unanswered", "http_429: It was busy."),
        (LimitReached("Enough."), "limit", "Enough."),
        (EndpointBusy("Not until four."), "busy", "Not until four."),
        (EndpointError("It is gone.", hint="Start it."), "endpoint", "It is gone. Start it."),
    ],
)
def test_a_failure_is_noted_and_told(tmp_path: Path, error: Exception, failure: str, reason: str) -> None:
    events = Events()
    context = make_context(
        tmp_path, WORLD, llm=FakeModel(WORLD, fault=lambda question: error), progress=events
    )
    note = run_to_end(ask(PAIR, context))
    assert (note.failure, note.reason, note.votes, note.prompts) == (failure, reason, (), ())
    code = error.code if isinstance(error, QuestionFailed) else failure
    assert events.all == [StepFailed(kind="pair", classes=("finch", "crane"), reason=reason, code=code)]


def test_any_other_error_is_no_outcome(tmp_path: Path) -> None:
    model = FakeModel(WORLD, fault=lambda question: CacheError("The disk is full."))
    with pytest.raises(CacheError):
        run_to_end(ask(PAIR, make_context(tmp_path, WORLD, llm=model)))


def test_a_dead_endpoint_is_tried_once_a_slot_however_many_questions_wait(tmp_path: Path) -> None:
    class Slow(FakeModel):
        concurrency = 16

        async def ask(self, question: Any) -> Any:
            self.asked.append(question)
            await asyncio.sleep(0.02)
            raise EndpointError("It is gone.")

    model = Slow(WORLD)
    model.concurrency = 3
    context = make_context(tmp_path, WORLD, llm=model)

    async def fan_out() -> list[Any]:
        specs = [QuestionSpec(kind="describe", classes=(name,)) for name in WORLD.names]
        return await asyncio.gather(*(ask(spec, context) for spec in specs))

    found = run_to_end(fan_out())
    assert [note.failure for note in found] == ["endpoint"] * 16
    assert len(model.asked) == 3
    assert context.endpoint_down == "It is gone."


def test_nothing_more_is_asked_once_the_disk_is_full(tmp_path: Path) -> None:
    """It is no outcome of the question that met it, and each further answer would be paid for and lost."""

    def full(question: Any) -> Exception | None:
        return CacheError("The disk is full.") if len(model.asked) == 20 else None

    model = FakeModel(WORLD, fault=full)
    specs = [
        QuestionSpec(kind="describe", classes=(name,), sample=n) for n in range(9) for name in WORLD.names
    ]

    async def ask_on() -> None:
        with pytest.raises(CacheError):
            await ask_all(specs, make_context(tmp_path, WORLD, llm=model))
        asked = len(model.asked)
        await asyncio.sleep(0.01)
        assert len(model.asked) == asked <= 20 + 16

    run_to_end(ask_on())


def test_notes_come_back_in_the_order_of_their_questions(tmp_path: Path) -> None:
    specs = [QuestionSpec(kind="describe", classes=(name,)) for name in WORLD.names]
    context = make_context(tmp_path, WORLD, llm=FakeModel(WORLD))
    assert [note.spec for note in run_to_end(ask_all(specs, context))] == specs
    assert run_to_end(ask_all((), context)) == []


def test_answers_about_others_are_left_out(tmp_path: Path) -> None:
    def told(question: Any, said: dict[str, Any]) -> dict[str, Any]:
        said["differences"][0]["values"].append({"class_name": "penguin", "value": "a black bill"})
        return said

    context = make_context(tmp_path, WORLD, llm=FakeModel(WORLD, told=told))
    note = run_to_end(ask(QuestionSpec(kind="group", classes=("finch", "crane")), context))
    assert {vote.class_name for vote in note.votes} == {"finch", "crane"}
