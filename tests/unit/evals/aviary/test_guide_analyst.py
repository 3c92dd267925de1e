import json
import random

import pytest

from fieldmark.evals.aviary.attributes import HABITATS, LIGHTS
from fieldmark.evals.aviary.clause_words import bird_described
from fieldmark.evals.aviary.conditions import HABITAT, LIGHT, AllOf, AnyOf, Is, Not
from fieldmark.evals.aviary.guide import Guide, UnknownQuestionError
from fieldmark.evals.aviary.guide_definitions import calls_in, faithful, point, read_points
from fieldmark.evals.aviary.guide_drafting import queries, scope
from fieldmark.evals.aviary.guide_mending import refine
from fieldmark.evals.aviary.species import random_marks
from fieldmark.prompts.queries import ask_queries
from fieldmark.prompts.refine import RefineExample, ask_refine
from fieldmark.prompts.scope import ask_scope
from fieldmark.records import Clause

STRIPED = {"id": "c1", "role": "necessary", "text": "The bird has a striped belly."}


def birds(count, seed=0):
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        values = dict(random_marks(rng))
        values[HABITAT], values[LIGHT] = rng.choice(HABITATS), rng.choice(LIGHTS)
        found.append(values)
    return found


def example(values, inside, reason=""):
    return {"seen": bird_described(values), "owner": "in" if inside else "out", "reason": reason}


def texts(answer):
    return [(clause["role"], clause["text"]) for clause in answer["clauses"]]


def test_a_draft_says_what_the_words_say():
    assert texts(scope("striped birds", "", [], [])) == [("necessary", "The bird has a striped belly.")]
    drafted = texts(scope("winter birds", "Birds in the snow, not at night.", [], []))
    assert ("necessary", "The bird is seen in the snow.") in drafted
    assert any(role == "negative" and "night" in text for role, text in drafted)


def test_what_means_nothing_to_it_is_left_to_the_name():
    (only,) = texts(scope("zorb {x} things", "", [], []))
    assert only == ("necessary", "The image shows one of the zorb {x} things.")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("never", ("negative", "The bird has a red cap.")),
        ("always needed", ("necessary", "The bird has a red cap.")),
        ("only with long legs", ("necessary", "The bird has long legs.")),
    ],
)
def test_answers_change_what_they_speak_of_and_leave_the_rest_word_for_word(answer, wanted):
    revised = texts(scope("x", "", [STRIPED], [("What of birds with a red cap?", answer)]))
    assert revised == [("necessary", STRIPED["text"]), wanted]
    again = [{"id": str(n), "role": role, "text": text} for n, (role, text) in enumerate(revised)]
    assert texts(scope("x", "", again, [("What of birds with a red cap?", answer)])) == revised


def test_what_does_not_matter_goes_and_what_counts_too_widens():
    asked = [("Must they always be birds with a striped belly?", "always needed; a barred breast counts too")]
    assert texts(scope("x", "", [STRIPED], asked)) == [
        ("necessary", "The bird has a striped or barred belly.")
    ]
    wet = {"id": "c2", "role": "necessary", "text": "The bird is seen in the water."}
    asked = [("Must they always be birds in the water?", "it does not matter")]
    assert texts(scope("x", "", [STRIPED, wet], asked)) == [("necessary", STRIPED["text"])]
    assert texts(scope("x", "", [STRIPED], [("Gibberish?", "never"), ("What of small birds?", "")])) == [
        ("necessary", STRIPED["text"])
    ]


def test_questions_offer_words_that_settle_them_and_are_not_asked_again():
    first = scope("x", "", [STRIPED], [])["questions"]
    assert len(first) == 8
    assert all(
        "never" in row["options"] and row["about"].startswith(("birds", "small", "large")) for row in first
    )
    later = scope("x", "", [STRIPED], [(first[0]["question"], "only some of them count")])["questions"]
    assert first[0]["question"] not in [row["question"] for row in later]


def test_queries_name_what_is_there():
    barred = {"id": "c2", "role": "negative", "text": "The bird has a red cap."}
    found = queries([STRIPED, barred], "x")
    assert found["positive"][0] == "a photo of birds with a striped belly"
    assert "a photo of birds with a striped belly and a red cap" in found["near_miss"]
    assert not any(" not " in text for text in (*found["positive"], *found["near_miss"]))


@pytest.mark.parametrize(
    ("rule", "start", "kind"),
    [
        (lambda v: v["pattern"] == "striped" and v["cap"] != "red", [STRIPED], "add"),
        (lambda v: v["pattern"] in ("striped", "barred"), [STRIPED], "reword"),
        (
            lambda v: v["pattern"] == "striped",
            [STRIPED, {"id": "c2", "role": "negative", "text": "The bird is small."}],
            "drop",
        ),
    ],
)
def test_it_finds_the_edit_that_the_examples_call_for(rule, start, kind):
    shown = [v for v in birds(600) if rule(v) != calls_in(read_points(start), v)][:8]
    shown += [v for v in birds(60, seed=1) if rule(v) == calls_in(read_points(start), v)]
    best = refine(start, [example(v, rule(v)) for v in shown])["edits"][0]
    assert best["kind"] == kind
    if kind == "add":
        assert (best["role"], best["text"]) == ("negative", "The bird has a red cap.")
    if kind == "reword":
        assert best["text"] == "The bird has a striped or barred belly."


def test_one_reason_is_worth_more_than_one_example():
    striped = {**birds(1)[0], "pattern": "striped", "cap": "red"}
    assert refine([STRIPED], [example(striped, False)])["edits"] == []
    edits = refine([STRIPED], [example(striped, False, "Not with a red cap.")])["edits"]
    assert edits[0]["text"] == "The bird has a red cap."
    assert edits[0]["why"] == "the owner says so"


def test_nothing_is_proposed_where_all_agrees_and_nonsense_is_passed_over():
    agreed = [example(v, v["pattern"] == "striped") for v in birds(30)]
    assert refine([STRIPED], agreed)["edits"] == []
    assert refine([STRIPED], [{"seen": "a kitchen", "owner": "in"}, {"owner": "unsure"}])["edits"] == []


def test_its_words_are_understood_as_they_are_meant():
    red, long = Is("cap", frozenset({"red"})), Is("neck", frozenset({"long"}))
    for condition in (red, Not(red), AllOf((red, long)), AnyOf((red, long)), Is(LIGHT, frozenset({"night"}))):
        made = point("necessary", condition)
        assert made is not None, condition
        assert faithful(condition, made.text)
    assert not faithful(red, "The bird has a blue cap.")


def test_it_answers_the_real_questions(tmp_path):
    guide = Guide(())
    clauses = (Clause(id="c1", role="necessary", text=STRIPED["text"]),)
    seen = bird_described(birds(1)[0])
    questions = (
        ask_scope("striped birds", purpose="p", clauses=clauses, asked=[("What of small birds?", "never")]),
        ask_queries("striped birds", purpose="p", clauses=clauses),
        ask_refine(
            "striped birds",
            purpose="p",
            clauses=clauses,
            answers=[],
            examples=[RefineExample(seen=seen, owner="in", call="out", findings={"c1": "no"})],
        ),
    )
    for question in questions:
        said = guide.answer(question.messages, question.answer_model.model_json_schema())
        question.answer_model.model_validate(json.loads(said))
        assert said == guide.answer(question.messages)  # the form alone, without a schema, will do


def test_data_that_do_not_fit_are_refused_in_a_sentence():
    question = ask_scope("x", purpose="p")
    broken = question.messages[-1].model_copy(
        update={"content": question.messages[-1].content.replace('"clauses": []', '"clauses": 3')}
    )
    with pytest.raises(UnknownQuestionError, match="clauses"):
        Guide(()).answer([broken], question.answer_model.model_json_schema())
