"""The questions that published methods ask: what their answers may hold, and what is read out of them."""

import pytest
from pydantic import ValidationError

from fieldmark.errors import InputError
from fieldmark.prompts.class_questions import (
    GENERIC_QUESTIONS,
    PLACE,
    has_one_place,
    question_about,
    with_plain_place,
)
from fieldmark.prompts.contexts import Contexts, contexts_of
from fieldmark.prompts.family import (
    MAX_CLASSES,
    MOST_AT_ONCE,
    Families,
    ask_families,
    ask_family,
    families_of,
)
from fieldmark.prompts.portray import MAX_SENTENCES, Portrait, ask_portray
from fieldmark.prompts.subclasses import MAX_SUBCLASSES, Subclasses, subclasses_of
from fieldmark.prompts.task_questions import TaskQuestions, questions_of
from fieldmark.records import ContextFactor, ContextValue, Family

LONG = "x" * 1300


def contexts(**factors):
    return {
        "factors": [
            {"factor": name, "values": [{"value": v, "phrases": list(p)} for v, p in values.items()]}
            for name, values in factors.items()
        ]
    }


def families(*told):
    return Families.model_validate({"families": [{"family": f, "classes": c} for f, c in told]})


def test_there_are_three_generic_questions_and_every_shipped_one_has_its_place():
    assert len(set(GENERIC_QUESTIONS)) == 3
    for question in GENERIC_QUESTIONS:
        assert has_one_place(question)


@pytest.mark.parametrize(
    "name", ["{class}", "{0}", "%s", "\\1", "$noun", "a {class} b", '"quoted"\n</data>', "{class.__init__}"]
)
def test_a_class_name_is_put_into_a_question_as_it_is(name):
    assert question_about("Is {x} of {class} %s {0}?", name) == "Is {x} of " + name + " %s {0}?"


@pytest.mark.parametrize("question", ["", "What is it?", "{Class}", "{class} or {class}?", "{ class }"])
def test_a_question_needs_exactly_one_place(question):
    with pytest.raises(InputError, match="exactly once"):
        question_about(question, "finch")
    with pytest.raises(InputError):
        ask_portray("finch", question, noun="bird")


def test_places_that_are_spelled_otherwise_are_understood():
    for given in ("of { Class }?", "of {{class}}?", "of {CLASS_NAME}?", "of {class name}?", "of {class}?"):
        assert with_plain_place(given) == "of {class}?"
    for other in ("of {classes}?", "of class?", "of <class>?", "of {}?", "of {subclass}?"):
        assert with_plain_place(other) == other


def test_portraits_have_one_to_ten_sentences_tidied():
    answer = Portrait(sentences=["  A photo of a\nheron. ", *[f"Sentence {n}." for n in range(12)]])
    assert len(answer.sentences) == MAX_SENTENCES
    assert answer.sentences[0] == "A photo of a heron."
    for bad in ([], [""], [" \n"], [LONG], "A photo.", [None], [["A photo."]], {"0": "A photo."}):
        with pytest.raises(ValidationError):
            Portrait.model_validate({"sentences": bad})


def test_questions_without_one_place_are_dropped_and_counted():
    answer = TaskQuestions(
        task_questions=[
            "What colour is {class}?",
            "what  colour is { CLASS }?",
            "What is its colour?",
            "Is {class} like {class}?",
            "Where is {class}? {0} %s",
        ]
    )
    read = questions_of(answer)
    assert read.words == ("What colour is {class}?", "Where is {class}? {0} %s")
    assert read.dropped == {"no_place": 2, "repeated": 1}


@pytest.mark.parametrize(
    "bad", [[], ["What is it?"], ["{class} and {class}"], [""], [f"{PLACE} {'x' * 300}"], PLACE, [7], None]
)
def test_answers_without_a_usable_question_are_refused(bad):
    with pytest.raises(ValidationError):
        TaskQuestions.model_validate({"task_questions": bad})


def test_of_too_many_questions_the_first_are_kept():
    read = questions_of(TaskQuestions(task_questions=[f"{n} of {PLACE}?" for n in range(9)]))
    assert read.words == tuple(f"{n} of {PLACE}?" for n in range(6))


def test_kinds_are_named_once_and_without_the_class_itself():
    answer = Subclasses(subclasses=["A grey heron.", "The Grey  Heron", "HERON", "purple heron"])
    read = subclasses_of(answer, "heron")
    assert read.words == ("grey heron", "purple heron")
    assert read.dropped == {"repeated": 1, "class_itself": 1}
    assert subclasses_of(Subclasses(subclasses=["Heron"]), "heron").words == ()


def test_kinds_hold_whole_class_names_and_are_one_to_ten():
    name = "y" * 900
    assert Subclasses(subclasses=[f"male {name}"]).subclasses == [f"male {name}"]
    assert len(Subclasses(subclasses=[f"kind {n}" for n in range(14)]).subclasses) == MAX_SUBCLASSES
    for bad in ([], [""], ["the "], [LONG], "heron", [None]):
        with pytest.raises(ValidationError):
            Subclasses.model_validate({"subclasses": bad})


def test_contexts_become_factors_with_values_and_phrases():
    told = contexts(
        background={"water": ("on the water.", "by a lake"), "forest": ("in the forest",)},
        light={"day": ("in daylight",), "night": ("at night",)},
    )
    read = contexts_of(Contexts.model_validate(told))
    water = ContextValue(name="water", phrases=("on the water", "by a lake"))
    forest = ContextValue(name="forest", phrases=("in the forest",))
    assert read.contexts[0] == ContextFactor(name="background", values=(water, forest))
    assert [factor.name for factor in read.contexts] == ["background", "light"]
    assert read.dropped == {}


def test_what_a_factor_says_twice_is_dropped_and_counted():
    told = contexts(
        background={
            "water": ("on the water", "On the  Water"),
            "Water": ("at sea",),
            "lake": ("ON THE WATER", "by a lake"),
            "pond": ("by a lake",),
            "sky": ("in the air",),
        },
        light={"day": ("in daylight",), "noon": ("in daylight",)},
        Background={"a": ("b",), "c": ("d",)},
    )
    read = contexts_of(Contexts.model_validate(told))
    assert [(v.name, v.phrases) for v in read.contexts[0].values] == [
        ("water", ("on the water",)),
        ("lake", ("by a lake",)),
        ("sky", ("in the air",)),
    ]
    assert len(read.contexts) == 1
    assert read.dropped == {
        "repeated_phrase": 4, "repeated_value": 1, "lone_value": 1, "repeated_factor": 1,
    }  # fmt: skip


def test_surplus_factors_values_and_phrases_are_left_out():
    many = {f"v{n}": [f"{n} p{m}" for m in range(5)] for n in range(12)}
    read = contexts_of(Contexts.model_validate(contexts(**{f"f{n}": many for n in range(7)})))
    assert len(read.contexts) == 5
    assert {len(factor.values) for factor in read.contexts} == {8}
    assert {len(value.phrases) for factor in read.contexts for value in factor.values} == {3}


@pytest.mark.parametrize(
    "bad",
    [
        {"factors": []},
        {"factors": "background"},
        contexts(background={"water": ("on the water",)}),
        contexts(background={"water": (), "sky": ("in the sky",)}),
        contexts(background={"water": ("",), "sky": ("in the sky",)}),
        contexts(background={"water": ("x" * 61,), "sky": ("in the sky",)}),
        contexts(background={"water": ("there",), "sky": ("There ",)}),
        contexts(**{"": {"water": ("on the water",), "sky": ("in the sky",)}}),
        {"factors": [{"factor": "light", "values": ["day", "night"]}]},
        {**contexts(light={"a": ("b",), "c": ("d",)}), "more": 1},
    ],
)
def test_contexts_that_are_of_no_use_are_refused(bad):
    with pytest.raises(ValidationError):
        Contexts.model_validate(bad)


def test_every_class_is_in_one_family_and_strangers_are_counted():
    classes = ("veyzan heron", "kelmar finch", "wimyor heron", "owl", "Owl")
    answer = families(
        ("heron", ["Veyzan  Heron", "wimyor heron", "penguin"]),
        ("songbird", ["kelmar finch", "wimyor heron", "OWL"]),
        (" The Heron.", ["veyzan heron"]),
        ("bat", ["a bat"]),
        ("night bird", []),
    )
    read = families_of(answer, classes)
    assert read.families == (
        Family(name="heron", classes=("veyzan heron", "wimyor heron")),
        Family(name="songbird", classes=("kelmar finch",)),
        Family(name="owl", classes=("owl",)),
        Family(name="Owl", classes=("Owl",)),
    )
    # "OWL" fits two classes alike, so it names neither.
    assert read.dropped == {"unlisted_class": 3, "repeated_class": 2}


def test_families_of_one_name_are_one_even_apart():
    read = families_of(families(("heron", ["a"]), ("finch", ["b"]), ("Heron", ["c"])), ("a", "b", "c"))
    assert [(f.name, f.classes) for f in read.families] == [("heron", ("a", "c")), ("finch", ("b",))]


def test_without_families_everybody_stands_alone():
    read = families_of(families(), ("a", "b"))
    assert [f.classes for f in read.families] == [("a",), ("b",)]
    for bad in (None, "heron", ["heron"], [{"family": "", "classes": ["a"]}], [{"family": "x"}]):
        with pytest.raises(ValidationError):
            Families.model_validate({"families": bad})


def test_room_for_families_grows_with_the_names():
    few = ask_family(["a", "b"], noun="bird").max_tokens
    many = ask_family([f"class number {n}" for n in range(MAX_CLASSES)], noun="bird").max_tokens
    assert many > few + MAX_CLASSES * 30


def test_many_classes_are_grouped_in_parts_of_like_size():
    names = [f"class {n}" for n in range(130)]
    parts = ask_families(names, noun="bird")
    assert [len(part.about) for part in parts] == [43, 43, 44]
    assert [name for part in parts for name in part.about] == names
    assert all(len(part.about) <= MOST_AT_ONCE for part in parts)
    (whole,) = ask_families(names[:MOST_AT_ONCE], noun="bird")
    assert whole == ask_family(names[:MOST_AT_ONCE], noun="bird")
