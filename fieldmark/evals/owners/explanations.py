"""What an owner would say of a picture or answer to a question, derived from the hidden rule."""

import itertools
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np

from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.attributes import HABITATS, LIGHT_SHARES, LIGHTS, NONE, NOUNS
from fieldmark.aviary.world.conditions import HABITAT, LIGHT, VALUES, Condition, features_of, holds
from fieldmark.aviary.world.grammar import habitat_phrases, light_phrases, value_phrases
from fieldmark.aviary.world.species import random_marks
from fieldmark.evals.owners.rules import Rule, Values
from fieldmark.tools.statistics.agreement import kappa

Stance = Literal["always", "never", "some", "any"]
"""What a condition means to a rule: needed, ruled out, one of several things that count, or nothing."""

IMAGINED = 1500
"""Birds an owner thinks of when asked in general."""
RARE = 0.04
"""Less than this share of them is none, to an owner who answers from memory."""
MATTERS = 0.08
"""A condition that changes the share of birds that are in by less does not matter."""
EXCEPTION = 0.6
"""Where most other values of a feature would turn the label, it is this value that decides."""


@cache
def imagined(seed: int = 0) -> tuple[dict[str, str], ...]:
    """Birds to think of: freely mixed, in every habitat and light."""
    rng = random.Random(f"fieldmark owner's imagination {seed}")
    birds: list[dict[str, str]] = []
    for _ in range(IMAGINED):
        values = dict(random_marks(rng, rng.choice(NOUNS)))
        values[HABITAT] = rng.choice(HABITATS)
        values[LIGHT] = rng.choices(LIGHTS, LIGHT_SHARES)[0]
        birds.append(values)
    return tuple(birds)


def phrase_of(key: str, value: str) -> str:
    """A value in plain words: "a red cap", "in the snow", "at night"."""
    if key == HABITAT:
        return habitat_phrases(value)[0]
    if key == LIGHT:
        return light_phrases(value)[0]
    return value_phrases(key, value)[0]


def turning(rule: Rule, values: Values) -> dict[str, list[str]]:
    """Single features that would turn the label, and the values that would do so."""
    now = rule.inside(values)
    found: dict[str, list[str]] = {}
    for key in sorted(rule.decision.features):
        others = [v for v in VALUES[key] if v != values[key]]
        turned = [v for v in others if rule.inside({**values, key: v}) != now]
        if turned:
            found[key] = turned
    return found


def near_boundary(rule: Rule, values: Values) -> bool:
    """Whether most ways of changing one feature would turn the label: a picture that is hard to call."""
    found = turning(rule, values)
    return any(len(turned) >= EXCEPTION * (len(VALUES[key]) - 1) for key, turned in found.items())


def reason_for(rule: Rule, values: Values) -> str:
    """Why a picture is in or out, as its owner would say it in a few words.

    What decides is found by asking what would have to be otherwise.
    """
    inside = rule.inside(values)
    found = turning(rule, values)
    if inside:
        if not found:
            return "It has all of it."
        deciding = sorted(found, key=lambda key: -len(found[key]) / len(VALUES[key]))[:2]
        return f"Because of this: {_listed([phrase_of(key, values[key]) for key in deciding])}."
    blamed = [
        key for key, turned in found.items()
        if values[key] != NONE and len(turned) >= EXCEPTION * (len(VALUES[key]) - 1)
    ]  # fmt: skip
    if blamed:
        return f"Not with {phrase_of(blamed[0], values[blamed[0]])}."
    if found:
        key = min(found, key=lambda each: len(found[each]))
        return f"It would need {_alternatives(key, found[key])}."
    return _two_things(rule, values)


def _two_things(rule: Rule, values: Values) -> str:
    """What would have to be otherwise where one thing is not enough."""
    keys = sorted(rule.decision.features)
    for first, second in itertools.combinations(keys, 2):
        for one, other in itertools.product(VALUES[first], VALUES[second]):
            if rule.inside({**values, first: one, second: other}):
                changed = [(k, v) for k, v in ((first, one), (second, other)) if values[k] != v]
                return f"It would need {_listed([phrase_of(k, v) for k, v in changed])}."
    return "Nothing about it fits."


def stance(rule: Rule, condition: Condition) -> Stance:
    """What a condition means to the rule, over imagined birds."""
    birds = imagined()
    with_it = [bird for bird in birds if holds(condition, bird)]
    without = [bird for bird in birds if holds(condition, bird) is False]
    if not with_it or not without:
        return "any"
    inside, outside = _share(rule, with_it), _share(rule, without)
    if outside < RARE and inside > MATTERS:
        return "always"
    if inside < RARE and outside > MATTERS:
        return "never"
    return "any" if abs(inside - outside) < MATTERS else "some"


def also_counted(rule: Rule, condition: Condition) -> str:
    """Other values of the same feature that count too, as an owner adds unasked; empty where there is none.

    Of a condition on several features nothing is added.
    """
    keys = features_of(condition)
    if len(keys) != 1:
        return ""
    (key,) = keys
    shares = {
        value: _share(rule, [{**bird, key: value} for bird in imagined()[:400]]) for value in VALUES[key]
    }
    asked = [share for value, share in shares.items() if holds(condition, {key: value})]
    if not asked or max(asked) < MATTERS:
        return ""
    others = [
        value
        for value, share in shares.items()
        if not holds(condition, {key: value}) and share >= 0.7 * max(asked) and share >= MATTERS
    ]
    if not others or len(others) + len(asked) == len(VALUES[key]):
        return ""
    return f"{_listed([phrase_of(key, value) for value in others], last='or')} counts too"


def sense_of(rule: Rule, lines: Sequence[str]) -> float | None:
    """How far a definition says what the rule says: Cohen's kappa of both over imagined birds.

    It is what an owner finds when reading the clauses: "yes, that is what I mean", or "what has that to do
    with it". A clause that is not understood asks for nothing. The share on which both agree would not do: of
    a rare concept a definition that lets nothing in is right most of the time, and says nothing of what is
    meant.

    Returns:
        Kappa; None where no clause is understood.
    """
    read: list[tuple[str, Condition]] = []
    for line in lines:
        role, _, text = line.partition(": ")
        understood = understand(text)
        if understood is not None:
            read.append((role.strip(), understood.condition))
    if not read:
        return None
    called = np.array([float(_called(read, bird)) for bird in imagined()])
    meant = np.array([float(rule.inside(bird)) for bird in imagined()])
    found = float(kappa(called, meant, np.ones((1, len(meant))))[0])
    return 1.0 if np.isnan(found) else found  # where both let everything in, or nothing


def _called(read: Sequence[tuple[str, Condition]], bird: Values) -> bool:
    found = {role: [holds(condition, bird) for own, condition in read if own == role] for role, _ in read}
    if False in found.get("necessary", ()) or True in found.get("negative", ()):
        return False
    return "positive" not in found or True in found["positive"]


def choose_option(wanted: Stance, options: Sequence[str]) -> str | None:
    """The option that says it, by its words; None where none does."""
    signs: Mapping[Stance, tuple[str, ...]] = {
        "always": ("always", "must", "needed", "required", "every"),
        "never": ("never", "ruled out", "rules it out", "exclude", "must not", "not allowed"),
        "any": ("matter", "either", "irrelevant", "indifferent"),
        "some": ("some", "sometimes", "depends", "can count", "may"),
    }
    for sign in signs[wanted]:
        for option in options:
            text = option.casefold()
            if sign in text and not (wanted == "always" and "never" in text):
                return option
    return None


def _share(rule: Rule, birds: Sequence[Values]) -> float:
    return sum(rule.inside(bird) for bird in birds) / len(birds)


def _alternatives(key: str, values: Sequence[str]) -> str:
    return _listed([phrase_of(key, value) for value in values[:4]], last="or")


def _listed(parts: Sequence[str], *, last: str = "and") -> str:
    if not parts:
        return "nothing else"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"
