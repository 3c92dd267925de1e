import json
import random

import pytest

from fieldmark.aviary.guide.clauses import read_clauses
from fieldmark.aviary.guide.edit_evidence import Example
from fieldmark.aviary.guide.guide import Guide, UnknownQuestionError
from fieldmark.aviary.guide.refine import refine
from fieldmark.aviary.guide.scope import OPTIONS, queries, scope
from fieldmark.aviary.language.clause_words import bird_described
from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.attributes import HABITATS, LIGHTS
from fieldmark.aviary.world.conditions import HABITAT, LIGHT, holds
from fieldmark.aviary.world.species import random_marks
from fieldmark.prompts.queries import ask_queries
from fieldmark.prompts.refine import RefineExample, ask_refine
from fieldmark.prompts.scope import ask_scope
from fieldmark.records import Clause

STRIPED = {"id": "c1", "role": "necessary", "text": "The bird has a striped belly."}
BOTH = [STRIPED, {"id": "c2", "role": "negative", "text": "The bird is small."}]


def birds(count, seed=0):
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        values = dict(random_marks(rng))
        values[HABITAT], values[LIGHT] = rng.choice(HABITATS), rng.choice(LIGHTS)
        found.append(values)
    return found


def scoped(concept, purpose="", clauses=(), asked=()):
    return scope(concept, purpose, read_clauses(list(clauses)), list(asked), "q")


def texts(answer):
    return [(clause["role"], clause["text"]) for clause in answer["clauses"]]


def found_of(clauses, values):
    return {c.id: "yes" if holds(c.condition, values) else "no" for c in read_clauses(clauses)}


def called(clauses, values):
    found = found_of(clauses, values)
    return all((found[c["id"]] == "yes") is (c["role"] == "necessary") for c in clauses)


def refined(clauses, rows):
    examples = [
        Example(bird_described(v), "in" if inside else "out", reason, found_of(clauses, v))
        for v, inside, reason in rows
    ]
    return refine("x", "", read_clauses(clauses), examples, [], "q")["edits"]


def test_a_draft_says_what_the_words_say():
    assert ("necessary", "The bird has a striped belly.") in texts(scoped("striped birds"))
    drafted = texts(scoped("winter birds", "Birds in the snow, not at night."))
    assert ("necessary", "The bird is seen in the snow.") in drafted
    assert ("negative", "The bird is seen at night.") in drafted


def test_what_means_nothing_to_it_still_gives_a_clause_that_can_be_judged():
    (only,) = texts(scoped("zorb {x} things"))
    assert only[0] == "necessary" and holds(understand(only[1]).condition, birds(1)[0])
    asked = [("Must the bird have a red cap?", "always needed")]
    rows = [{"id": "c1", "role": only[0], "text": only[1]}]
    assert texts(scoped("zorb", clauses=rows, asked=asked)) == [("necessary", "The bird has a red cap.")]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("never", ("negative", "The bird has a red cap.")),
        ("always needed", ("necessary", "The bird has a red cap.")),
        ("always needed; an orange cap counts too", ("necessary", "The bird has a red or orange cap.")),
    ],
)
def test_answers_change_what_they_speak_of_and_leave_the_rest_word_for_word(answer, wanted):
    asked = [("Must the bird have a red cap?", answer)]
    revised = texts(scoped("x", clauses=[STRIPED], asked=asked))
    assert revised == [("necessary", STRIPED["text"]), wanted]
    again = [{"id": str(n), "role": role, "text": text} for n, (role, text) in enumerate(revised)]
    assert texts(scoped("x", clauses=again, asked=asked)) == revised


def test_what_does_not_matter_goes_and_what_only_counts_suffices():
    asked = [("Must the bird have a striped belly?", "only some of them count; a barred breast counts too")]
    assert texts(scoped("x", clauses=[STRIPED], asked=asked)) == [
        ("positive", "The bird has a striped or barred belly.")
    ]
    asked = [("Does it matter if the bird is small?", "it does not matter")]
    assert texts(scoped("x", clauses=BOTH, asked=asked)) == [("necessary", STRIPED["text"])]
    asked = [("Gibberish?", "never"), ("Does it matter if the bird is large?", "")]
    assert texts(scoped("x", clauses=[STRIPED], asked=asked)) == [("necessary", STRIPED["text"])]


def test_questions_offer_words_that_settle_them_and_are_not_asked_again():
    first = scoped("x", clauses=[STRIPED])["questions"]
    assert len(first) == 8
    assert all(tuple(row["options"]) == OPTIONS and understand(row["question"]) for row in first)
    later = scoped("x", clauses=[STRIPED], asked=[(first[0]["question"], "never")])["questions"]
    assert first[0]["question"] not in [row["question"] for row in later]


def test_queries_name_what_is_there():
    barred = {"id": "c2", "role": "negative", "text": "The bird has a red cap."}
    found = queries(read_clauses([STRIPED, barred]), "x", "q")
    assert found["positive"] == ["a photo of a bird with a striped belly"]
    assert "a photo of a bird with a striped belly and a red cap" in found["near_miss"]
    assert not any(" not " in text for text in (*found["positive"], *found["near_miss"]))


@pytest.mark.parametrize(
    ("rule", "start", "wanted"),
    [
        (lambda v: v["pattern"] == "striped" and v["cap"] != "red", [STRIPED], "The bird has a red cap."),
        (
            lambda v: v["pattern"] in ("striped", "barred"),
            [STRIPED],
            "The bird has a striped or barred belly.",
        ),
        (lambda v: v["pattern"] == "striped", BOTH, ""),
    ],
)
def test_it_finds_the_edit_that_the_examples_call_for(rule, start, wanted):
    shown = [v for v in birds(600) if rule(v) != called(start, v)][:8]
    shown += [v for v in birds(60, seed=1) if rule(v) == called(start, v)]
    best = refined(start, [(v, rule(v), "") for v in shown])[0]
    assert best["text"] == wanted
    assert best["kind"] == {"The bird has a red cap.": "add", "": "drop"}.get(wanted, "reword")


def test_one_reason_is_worth_more_than_one_example():
    striped = {**birds(1)[0], "pattern": "striped", "cap": "red"}
    quiet = [edit["text"] for edit in refined([STRIPED], [(striped, False, "")])]
    spoken = refined([STRIPED], [(striped, False, "Not with a red cap.")])
    assert "The bird has a red cap." not in quiet
    assert any(
        e["role"] == "negative" and "a red cap" in e["text"] and "owner says" in e["why"] for e in spoken
    )


def test_nothing_is_proposed_where_all_agrees_or_the_image_was_misread():
    agreed = [(v, v["pattern"] == "striped", "") for v in birds(30)]
    assert refined([STRIPED], agreed) == []
    misread = [(v, v["pattern"] != "striped", "the model misread this image") for v in birds(30)]
    assert refined([STRIPED], misread) == []


def test_it_answers_the_real_questions_the_same_with_and_without_a_schema():
    guide = Guide(())
    clauses = (Clause(id="c1", role="necessary", text=STRIPED["text"]),)
    row = RefineExample(seen=bird_described(birds(1)[0]), owner="in", call="out", findings={"c1": "no"})
    asked = [("Does it matter if the bird is small?", "never")]
    for question in (
        ask_scope("striped birds", purpose="p", clauses=clauses, asked=asked),
        ask_queries("striped birds", purpose="p", clauses=clauses),
        ask_refine("striped birds", purpose="p", clauses=clauses, answers=[], examples=[row]),
    ):
        said = guide.answer(question.messages, question.answer_model.model_json_schema())
        question.answer_model.model_validate(json.loads(said))
        assert said == guide.answer(question.messages)


def test_data_that_do_not_fit_are_refused_in_a_sentence():
    question = ask_scope("x", purpose="p")
    broken = question.messages[-1].model_copy(
        update={"content": question.messages[-1].content.replace('"clauses": []', '"clauses": 3')}
    )
    with pytest.raises(UnknownQuestionError, match="clauses"):
        Guide(()).answer([broken], question.answer_model.model_json_schema())
