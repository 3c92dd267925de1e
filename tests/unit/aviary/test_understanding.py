import random

import pytest

from fieldmark.aviary.language.clause_words import bird_described, birds_with, clause_text
from fieldmark.aviary.language.understand import understand, values_described
from fieldmark.aviary.world.attributes import ATTRIBUTES, HABITATS, LIGHTS
from fieldmark.aviary.world.conditions import FEATURES, HABITAT, LIGHT, VALUES, AllOf, AnyOf, Is, Not, holds
from fieldmark.aviary.world.flock import plan_flock
from fieldmark.aviary.world.grammar import habitat_phrases, light_phrases, value_phrases

FLOCK = [t.marks | {HABITAT: t.habitat, LIGHT: t.light} for t in plan_flock(300, seed=4, kind_share=0.4)]


def has(key, *values):
    return Is(key, frozenset(values))


def there(key):
    return Is(key, frozenset(VALUES[key]) - {"none"})


def same(one, other):
    return all(holds(one, bird) == holds(other, bird) for bird in FLOCK)


@pytest.mark.parametrize("form", ["{}", "The bird has {}.", "a photo of a heron, which has {}."])
def test_every_wording_of_the_grammar_is_understood(form):
    for attribute in ATTRIBUTES:
        for value in attribute.values:
            for phrase in value_phrases(attribute.key, value):
                understood = understand(form.format(phrase).replace("heron", "bird"))
                assert understood is not None, phrase
                met = [v for v in attribute.values if holds(understood.condition, {attribute.key: v})]
                assert met == [value], phrase


def test_every_place_and_light_of_the_grammar_is_understood():
    for key, names, phrases in ((HABITAT, HABITATS, habitat_phrases), (LIGHT, LIGHTS, light_phrases)):
        for name in names:
            for phrase in phrases(name):
                assert understand(f"a bird {phrase}").condition == has(key, name)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("striped", has("pattern", "striped")),
        ("red cap", has("cap", "red")),
        ("hooked bill", has("bill", "hooked")),
        ("long legs", has("leg_length", "long")),
        ("in water", has(HABITAT, "water")),
        ("The picture is taken at night.", has(LIGHT, "night")),
        ("a red or orange cap", has("cap", "red", "orange")),
        ("The cap is red, orange or yellow.", has("cap", "red", "orange", "yellow")),
        ("a red-capped, long-legged bird", AllOf((has("cap", "red"), has("leg_length", "long")))),
        ("black and white wings", has("wing", "black", "white")),
        ("its body and wings are red", AllOf((has("body", "red"), has("wing", "red")))),
        ("The body or wings are teal.", AnyOf((has("body", "teal"), has("wing", "teal")))),
        ("a white cap or collar", AnyOf((has("cap", "white"), has("collar", "white")))),
        ("a red cap or a crest", AnyOf((has("cap", "red"), there("crest")))),
        ("long legs and neck", AllOf((has("leg_length", "long"), has("neck", "long")))),
        ("no crest", has("crest", "none")),
        ("not striped", Not(has("pattern", "striped"))),
        ("The legs are not long.", has("leg_length", "short")),
        ("a cap is missing", has("cap", "none")),
        ("no crest or collar", AllOf((has("crest", "none"), has("collar", "none")))),
        ("neither a crest nor a collar", AllOf((has("crest", "none"), has("collar", "none")))),
        ("without a crest and a collar", AllOf((has("crest", "none"), has("collar", "none")))),
        ("without a crest and at night", AllOf((has("crest", "none"), has(LIGHT, "night")))),
        ("no crest and a red cap", AllOf((has("crest", "none"), has("cap", "red")))),
        ("a red cap but no collar", AllOf((has("cap", "red"), has("collar", "none")))),
        ("no cap or a red cap", has("cap", "none", "red")),
        ("any bird with a cap, except at night", AllOf((there("cap"), Not(has(LIGHT, "night"))))),
        ("not at night or in fog", has(LIGHT, "day", "sunset")),
        ("anything but white wings", Not(has("wing", "white"))),
        ("a small bird with a red cap or a crest",
         AllOf((has("size", "small"), AnyOf((has("cap", "red"), there("crest")))))),
        ("a large bird with a hooked bill, or a small bird with long legs",
         AnyOf((AllOf((has("size", "large"), has("bill", "hooked"))),
                AllOf((has("size", "small"), has("leg_length", "long")))))),
        ("a crest, a cap or a collar", AnyOf((there("crest"), there("cap"), there("collar")))),
        ("at least one of: a crest, a red cap, long legs",
         AnyOf((there("crest"), has("cap", "red"), has("leg_length", "long")))),
        ("a red cap, long legs and a crest",
         AllOf((has("cap", "red"), has("leg_length", "long"), there("crest")))),
        ("It stands in water or in the snow and has a red cap.",
         AllOf((has(HABITAT, "water", "snow"), has("cap", "red")))),
        ("birds in the snow and on sand", has(HABITAT, "snow", "desert")),
        ("at least medium-sized", has("size", "medium", "large")),
        ("small to medium birds", has("size", "small", "medium")),
        ("medium or larger", has("size", "medium", "large")),
        ("the bill is long and thin", has("bill", "needle")),
        ("a red cap that is not striped", AllOf((has("cap", "red"), Not(has("pattern", "striped"))))),
        ("The bird may have a crest and has a red cap.", has("cap", "red")),
        ("a heron", AllOf((has("bill", "dagger"), has("leg_length", "long"), has("neck", "long"),
                           has("size", "large")))),
        ("an elegant bird", AllOf((has("neck", "long"), has("leg_length", "long")))),
        ("WHITE EYE-RING around its dark eye", has("eye_ring", "white")),
    ],
)  # fmt: skip
def test_sentences_mean_what_readers_take_them_to_mean(text, meaning):
    assert same(understand(text).condition, meaning), understand(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The picture shows a kitchen table.",
        "?!",
        "wings of the same colour as the body",
        "larger than a crow",
        "a" * 10_000,
    ],
)
def test_what_it_has_no_words_for_is_not_understood(text):
    assert understand(text) is None


def test_strange_words_are_told():
    assert understand("a red cap and a purple handbag").strange == ("handbag",)
    assert understand("The bird has a red cap.").strange == ()


def test_a_bare_colour_is_that_of_what_is_talked_of():
    assert understand("red or orange").condition == has("body", "red", "orange")
    assert understand("red or orange", about="cap").condition == has("cap", "red", "orange")
    assert understand("only long ones", about="leg_length").condition == has("leg_length", "long")


def test_its_own_words_are_understood():
    rng = random.Random(1)

    def one(keys=FEATURES):
        key = rng.choice(keys)
        return Is(key, frozenset(rng.sample(VALUES[key], rng.randint(1, max(1, len(VALUES[key]) - 1)))))

    def two():
        first = one()
        return first, one([key for key in FEATURES if key != first.key])

    made = [one() for _ in range(150)] + [Not(one()) for _ in range(50)]
    made += [AllOf(two()) for _ in range(80)] + [AnyOf(two()) for _ in range(80)]
    for condition in made:
        for text in (clause_text(condition), birds_with(condition)):
            understood = understand(text)
            assert understood is not None and same(understood.condition, condition), text
            assert not understood.strange


def test_descriptions_carry_every_feature():
    for bird in FLOCK:
        assert values_described(bird_described(bird)) == bird
