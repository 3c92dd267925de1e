"""Captions the model is trained on: which marks they mention, what they call the bird, contrast sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, HABITATS, KEYS, LIGHTS, NONE, NOUNS
from fieldmark.aviary.world.grammar import (
    caption,
    describing,
    habitat_phrases,
    light_phrases,
    phrase,
    with_article,
)
from fieldmark.aviary.world.species import RESERVED_SYLLABLES, TRAINING_SYLLABLES, Species, pseudo_word

# Colours of small parts are what small models (and large ones) bind worst, so they are mentioned more.
_WEIGHTS: Mapping[str, float] = dict.fromkeys(KEYS, 1.0) | {
    "cap": 2.2, "leg_colour": 2.2, "bill_colour": 2.2, "eye_ring": 1.6, "collar": 1.6, "pattern": 1.3,
}  # fmt: skip
_KEPT_ABSENCES = 0.35
"""Share of drawn absences ("no cap") that are mentioned; the others are drawn again."""

CONTRASTS: tuple[str, ...] = (*KEYS, "habitat", "light", "noun")


@dataclass(frozen=True, slots=True)
class ContrastSet:
    """Captions that agree in all but one thing, one caption for every value of it."""

    column: str
    """Label column in which they differ, one of `CONTRASTS`."""
    captions: tuple[str, ...]
    """One caption per value, in the order of the values."""


def made_up_word(rng: random.Random) -> str:
    """Make a word that is no name of any species and has no reserved syllable in it.

    Half are built from training syllables, half from random letters, so that the model has seen
    every letter in a meaningless name before it meets new ones.
    """
    while True:
        if rng.random() < 0.5:
            word = pseudo_word(rng, TRAINING_SYLLABLES)
        else:
            word = "".join(
                rng.choice("bcdfghjklmnpqrstvwxyz")
                + rng.choice("aeiouy")
                + rng.choice(("", "", "n", "x", "v", "z"))
                for _ in range(rng.choice((2, 2, 3)))
            )
        if not any(syllable in word for syllable in RESERVED_SYLLABLES):
            return word


def training_caption(
    marks: Mapping[str, str],
    habitat: str,
    light: str,
    noun: str | None,
    species: Species | None,
    rng: random.Random,
) -> str:
    """Caption one training image; half of the captions mention a single mark in the product's form."""
    subject = _subject(noun, species, rng)
    share = rng.random()
    if share < 0.5:
        key = _drawn_keys(marks, 1, rng)[0]
        return describing(subject, phrase(key, marks[key], rng))
    if share < 0.65:
        plain = rng.random() < 0.5
        return caption(
            marks, habitat, light, rng, subject=subject, keys=(), context_share=0.0 if plain else 0.7
        )
    keys = _drawn_keys(marks, rng.choice((1, 2, 2, 3, 3, 4, 5, 6)), rng)
    return caption(marks, habitat, light, rng, subject=subject, keys=keys, context_share=0.25)


def contrast_sets(rng: random.Random, names: Sequence[str] = CONTRASTS) -> list[ContrastSet]:
    """Draw one contrast set for each of the named columns: hard negatives that change one thing."""
    return [ContrastSet(name, tuple(_contrast(name, rng))) for name in names]


def _contrast(name: str, rng: random.Random) -> list[str]:
    subject = rng.choice(("bird", "bird", rng.choice(NOUNS), f"{made_up_word(rng)} {rng.choice(NOUNS)}"))
    if name in ATTRIBUTE_BY_KEY:
        phrases = [phrase(name, value, rng) for value in ATTRIBUTE_BY_KEY[name].values]
        if rng.random() < 0.75:
            return [describing(subject, described) for described in phrases]
        return [f"{with_article(subject)} with {described}" for described in phrases]
    if name == "noun":
        word = "" if rng.random() < 0.5 else made_up_word(rng) + " "
        return [f"a photo of {with_article(word + noun)}" for noun in NOUNS]
    if name == "habitat":
        places = [rng.choice(habitat_phrases(habitat)) for habitat in HABITATS]
        return [f"a photo of {with_article(subject)} {place}" for place in places]
    lights = [rng.choice(light_phrases(light)) for light in LIGHTS]
    return [f"a photo of {with_article(subject)} {light}" for light in lights]


def _subject(noun: str | None, species: Species | None, rng: random.Random) -> str:
    share = rng.random()
    if species is not None:
        return species.name if share < 0.5 else species.noun if share < 0.65 else "bird"
    if noun is not None:
        return noun if share < 0.3 else f"{made_up_word(rng)} {noun}" if share < 0.5 else "bird"
    return "bird"


def _drawn_keys(marks: Mapping[str, str], count: int, rng: random.Random) -> list[str]:
    keys: list[str] = []
    while len(keys) < count:
        key = rng.choices(KEYS, [_WEIGHTS[k] for k in KEYS])[0]
        if key not in keys and (marks[key] != NONE or rng.random() < _KEPT_ABSENCES):
            keys.append(key)
    return keys
