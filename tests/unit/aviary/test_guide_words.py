import random

import pytest

from fieldmark.aviary.guide.words import (
    OTHER_NAMES,
    key_named,
    key_of_phrase,
    name_of,
    wording,
    wording_seen,
)
from fieldmark.aviary.world.attributes import ATTRIBUTES, KEYS
from fieldmark.aviary.world.grammar import value_phrases


def test_it_understands_every_name_it_uses():
    for attribute in ATTRIBUTES:
        for name in (attribute.question_name, *OTHER_NAMES[attribute.key]):
            assert key_named(name) == attribute.key, name
            assert key_named(name.upper()) == attribute.key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Beak Color", "bill_colour"),
        ("colour of the beak", "bill_colour"),
        ("beak", "bill"),
        ("bill length", "bill"),
        ("underparts", "belly"),
        ("breast markings", "pattern"),
        ("underparts streaking", "pattern"),
        ("belly color", "belly"),
        ("crown color", "cap"),
        ("neck ring", "collar"),
        ("eyering", "eye_ring"),
        ("wingbars", "wing_bar"),
        ("presence of wing bars", "wing_bar"),
        ("foot colour", "leg_colour"),
        ("legs", "leg_length"),
        ("plumage", "body"),
        ("overall plumage coloration", "body"),
        ("body size", "size"),
        ("presence of a crest", "crest"),
    ],
)
def test_common_names_are_understood(name, key):
    assert key_named(name) == key


@pytest.mark.parametrize(
    "name", ["", "song", "tail colour", "neck colour", "eye colour", "🐦", "window frame"]
)
def test_other_names_are_not(name):
    assert key_named(name) is None


def test_values_help_where_the_name_does_not():
    assert key_named("headgear", ["a red cap", "no cap"]) == "cap"
    assert key_named("headgear", ["a red cap", "a long tail"]) is None
    assert key_named("headgear", ["something else"]) is None


def test_every_wording_belongs_to_one_attribute_and_value():
    owners = {}
    for attribute in ATTRIBUTES:
        for value in attribute.values:
            for phrase in value_phrases(attribute.key, value):
                assert owners.setdefault(phrase, (attribute.key, value)) == (attribute.key, value)
                assert key_of_phrase(phrase.title()) == attribute.key


def test_a_phrase_already_seen_is_repeated_word_for_word():
    seen = ["a blue belly", "A Crimson Breast", "a red belly"]
    assert wording_seen("belly", "red", seen) == "A Crimson Breast"
    assert wording_seen("belly", "pink", seen) is None


def test_other_names_and_words_come_as_often_as_asked_for():
    rng = random.Random(1)
    names = [name_of("bill_colour", rng, 0.15) for _ in range(4000)]
    assert names.count("bill colour") / 4000 == pytest.approx(0.85, abs=0.02)
    assert {name_of(key, rng, 0.0) for key in KEYS} == {a.question_name for a in ATTRIBUTES}
    assert {wording("belly", "red", rng, 0.0) for _ in range(50)} == {"a red belly"}
    assert len({wording("belly", "red", rng, 1.0) for _ in range(50)}) > 4
