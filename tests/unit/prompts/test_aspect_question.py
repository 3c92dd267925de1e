"""Yes/no questions for a set of classes: what is asked, and what of an answer is of use."""

import json

import pytest

from fieldmark.errors import ClassNamesError, InputError
from fieldmark.prompts.aspects import MOST_CLASSES, WrittenAspects, ask_aspects, aspects_of

BIRDS = ("red finch", "Grey Heron", "gull <b>")


def answer(*pairs):
    return WrittenAspects.model_validate(
        {"aspects": [{"statement": s, "classes": list(c)} for s, c in pairs]}
    )


def test_the_question_holds_classes_as_data_and_how_many_are_wanted():
    question = ask_aspects(BIRDS, noun="bird", most=5)
    data = json.loads(question.messages[-1].content.split("<data>\n")[1].split("\n</data>")[0])
    assert data == {"classes": list(BIRDS), "noun": "bird", "most": 5}
    assert "<b>" not in question.messages[-1].content
    assert ask_aspects(BIRDS, noun="bird", most=50).max_tokens > 5 * question.max_tokens
    with pytest.raises(ClassNamesError):
        ask_aspects(BIRDS[:1], noun="bird", most=5)
    with pytest.raises(InputError, match="at most"):
        ask_aspects([str(n) for n in range(MOST_CLASSES + 1)], noun="bird", most=5)


def test_what_splits_nothing_names_a_class_or_comes_twice_is_dropped_and_counted():
    said = answer(
        ("The bill is hooked.", ["grey heron", "an owl"]),
        ("the bill is  hooked.", ["red finch"]),
        ("It has feathers.", BIRDS),
        ("It has teeth.", []),
        ("It looks like a red finch.", ["red finch"]),
        ("The belly is white.", ["gull <b>", "red finch"]),
        ("The tail is long.", ["red finch"]),
    )
    assert aspects_of(answer(("It is red.", ["d"])), ("c", "d"), most=1).holds == {"It is red.": ("d",)}
    read = aspects_of(said, BIRDS, most=2)
    assert read.holds == {
        "The bill is hooked.": ("Grey Heron",),
        "The belly is white.": ("red finch", "gull <b>"),
    }
    assert read.dropped == {
        "unlisted_class": 1, "repeated": 1, "splits_nothing": 2, "names_a_class": 1, "too_many": 1,
    }  # fmt: skip


def test_short_words_are_no_names_unless_they_stand_as_nouns():
    said = answer(
        ("The bill is red.", ["owl"]),
        ("The bill is  red .", ["owl"]),
        ("It has a long tail.", ["Red"]),
        ("It looks like an owl.", ["owl"]),
        ("It has the bill of a grey heron, too.", ["owl"]),
    )
    read = aspects_of(said, ("a", "Red", "owl", "Grey Heron"), most=9)
    assert read.holds == {"The bill is red.": ("owl",), "It has a long tail.": ("Red",)}
    assert read.dropped == {"repeated": 1, "names_a_class": 2}


@pytest.mark.parametrize("length", [4, 300])
def test_an_answer_has_bounded_room_and_fewer_statements_are_asked_for(length):
    names = [f"{n:02}".ljust(length, "x") for n in range(MOST_CLASSES)]
    question = ask_aspects(names, noun="bird", most=200)
    assert question.max_tokens <= 16_000
    data = json.loads(question.messages[-1].content.split("<data>\n")[1].split("\n</data>")[0])
    assert 1 <= data["most"] < 200


def test_an_empty_statement_is_refused():
    with pytest.raises(ValueError, match="empty"):
        answer(("  ", ["red finch"]))
