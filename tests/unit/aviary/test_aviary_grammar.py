"""Phrases and captions: every value has its own wordings, and the product's forms are exact."""

import random

import pytest

from aviary_training.captions import CONTRASTS, contrast_sets
from fieldmark.aviary.world.attributes import ATTRIBUTES, HABITATS, LIGHTS, NOUNS
from fieldmark.aviary.world.grammar import (
    caption,
    describing,
    habitat_phrases,
    joined,
    kind_phrase,
    light_phrases,
    phrase,
    value_phrases,
)
from fieldmark.aviary.world.species import random_marks


def test_every_value_has_wordings_of_its_own():
    owner = {}
    for attribute in ATTRIBUTES:
        for value in attribute.values:
            phrases = value_phrases(attribute.key, value)
            assert len(phrases) == len(set(phrases)) >= 2
            for text in phrases:
                assert text == text.strip().lower() and text.isascii() and not text.endswith(".")
                assert owner.setdefault(text, (attribute.key, value)) == (attribute.key, value)


def test_plain_wording_comes_first_and_chance_uses_the_others():
    assert phrase("belly", "red") == "a red belly"
    assert phrase("crest", "none") == "no crest"
    assert phrase("wing", "orange") == "orange wings"
    assert phrase("bill_colour", "orange") == "an orange bill"
    assert phrase("leg_colour", "blue") == "blue legs"
    rng = random.Random(0)
    drawn = {phrase("belly", "red", rng) for _ in range(300)}
    assert drawn == set(value_phrases("belly", "red"))


def test_unknown_values_are_refused():
    with pytest.raises(KeyError, match="plaid"):
        phrase("belly", "plaid")


def test_product_forms_are_exact():
    assert describing("bird", "a red belly") == "a photo of a bird, which has a red belly."
    assert describing("osprey", "no crest") == "a photo of an osprey, which has no crest."
    assert kind_phrase("heron") == "a photo of a heron"
    assert joined(["a", "b", "c"]) == "a, b and c"


def test_captions_mention_what_they_are_asked_to():
    rng = random.Random(1)
    marks = random_marks(rng, "heron") | {"cap": "red"}
    for _ in range(200):
        text = caption(marks, "water", "day", rng, keys=("cap",))
        assert any(wording in text for wording in value_phrases("cap", "red"))
    plain = caption(marks, "water", "day", rng, subject="heron", keys=(), context_share=0)
    assert plain.endswith("a heron")


def test_habitats_and_lights_have_wordings_of_their_own():
    texts = [t for habitat in HABITATS for t in habitat_phrases(habitat)]
    texts += [t for light in LIGHTS for t in light_phrases(light)]
    assert len(texts) == len(set(texts))


def test_contrast_sets_differ_in_one_thing_and_cover_every_value():
    rng = random.Random(2)
    sizes = {attribute.key: len(attribute.values) for attribute in ATTRIBUTES}
    sizes |= {"habitat": len(HABITATS), "light": len(LIGHTS), "noun": len(NOUNS)}
    for _ in range(50):
        for one in contrast_sets(rng):
            assert len(set(one.captions)) == len(one.captions) == sizes[one.column]
    assert [one.column for one in contrast_sets(rng)] == list(CONTRASTS)
