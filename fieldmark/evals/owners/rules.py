"""Fifteen hidden rules over the aviary, from plain to thorny, each with the words its owner has for it.

A rule decides on what a picture truly shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from fieldmark.aviary.world.attributes import NONE
from fieldmark.aviary.world.conditions import (
    HABITAT,
    LIGHT,
    AllOf,
    AnyOf,
    Condition,
    Is,
    Not,
    features_of,
    holds,
    present,
)
from fieldmark.errors import InputError, close_to

Values = Mapping[str, str]
"""Value of every feature of a picture: the sixteen attributes, habitat and light."""
Difficulty = Literal["plain", "exceptions", "degrees", "context", "subjective"]

BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "teal")
WARM = ("red", "orange", "yellow", "pink")
COLD = ("blue", "teal", "green", "purple")
SOBER = ("brown", "grey", "black", "white")


class Membership(Protocol):
    """What is in and what is out."""

    @property
    def features(self) -> frozenset[str]:
        """The features it looks at."""
        ...

    def inside(self, values: Values) -> bool:
        """Whether a picture with these features is in."""
        ...


@dataclass(frozen=True)
class Tree:
    """A condition that must hold.

    Attributes:
        condition: The condition.
    """

    condition: Condition

    @property
    def features(self) -> frozenset[str]:
        """See `Membership`."""
        return features_of(self.condition)

    def inside(self, values: Values) -> bool:
        """See `Membership`."""
        return holds(self.condition, values) is True


@dataclass(frozen=True)
class Mix:
    """A weighted mix that must reach a bar.

    Attributes:
        weights: What each condition on one feature adds.
        bar: The least sum that is in.
    """

    weights: tuple[tuple[Is, float], ...]
    bar: float

    @property
    def features(self) -> frozenset[str]:
        """See `Membership`."""
        return frozenset(condition.key for condition, _ in self.weights)

    def inside(self, values: Values) -> bool:
        """See `Membership`."""
        return sum(weight for condition, weight in self.weights if holds(condition, values)) >= self.bar


@dataclass(frozen=True)
class Colours:
    """So many different bright colours on the bird.

    Attributes:
        keys: The parts that count.
        least: How many different ones are in.
    """

    keys: tuple[str, ...]
    least: int

    @property
    def features(self) -> frozenset[str]:
        """See `Membership`."""
        return frozenset(self.keys)

    def inside(self, values: Values) -> bool:
        """See `Membership`."""
        return len({values[key] for key in self.keys} & set(BRIGHT)) >= self.least


@dataclass(frozen=True)
class Rule:
    """A hidden rule, and what its owner says of it before looking at pictures.

    Attributes:
        key: Short name.
        name: What the owner calls the concept.
        purpose: What the owner says it is about: vague, as people are.
        difficulty: What makes it hard.
        decision: The rule itself.
    """

    key: str
    name: str
    purpose: str
    difficulty: Difficulty
    decision: Membership

    def inside(self, values: Values) -> bool:
        """Whether a picture with these features is in."""
        return self.decision.inside(values)


def _is(key: str, *values: str) -> Is:
    return Is(key, frozenset(values))


def _all(*parts: Condition) -> Tree:
    return Tree(AllOf(parts))


RULES: tuple[Rule, ...] = (
    Rule("striped", "striped birds", "Birds with stripes.", "plain", Tree(_is("pattern", "striped"))),
    Rule(
        "red-head", "red-headed birds", "Birds whose head is red.", "plain",
        Tree(AnyOf((_is("cap", "red"), AllOf((_is("body", "red"), _is("cap", NONE)))))),
    ),
    Rule(
        "wader", "waders", "Tall birds of shallow water, for a guide to the coast.", "plain",
        _all(_is("leg_length", "long"), _is("neck", "long")),
    ),
    Rule(
        "marked", "birds with a marked breast", "Birds with markings on the breast, but no snow scenes.",
        "exceptions",
        _all(Not(_is("pattern", "plain")), Not(_is(HABITAT, "snow")), Not(_is("belly", "black"))),
    ),
    Rule(
        "warm", "warm-coloured birds", "Birds in warm colours, for a wall in my living room.", "exceptions",
        _all(_is("body", *WARM), Not(_is("wing", *COLD))),
    ),
    Rule(
        "crowned", "crowned birds", "Birds that wear something on their head, like a crown.", "exceptions",
        _all(AnyOf((present("cap"), present("crest"))), Not(_is("cap", "black")), Not(_is("size", "small"))),
    ),
    Rule(
        "drab", "drab birds", "Unremarkable birds, the kind that nobody turns round for.",
        "exceptions", _all(_is("body", *SOBER), Not(present("crest")), Not(_is("size", "large"))),
    ),
    Rule(
        "gentle", "gentle birds", "Birds that look gentle, for a children's book.", "degrees",
        _all(Not(_is("bill", "hooked", "dagger")), Not(_is("size", "large")), Not(_is("body", "black"))),
    ),
    Rule(
        "facial", "birds with a striking face", "Birds with something special about the face.", "degrees",
        _all(present("eye_ring"), _is("bill_colour", "red", "orange", "yellow"), Not(_is(LIGHT, "night"))),
    ),
    Rule(
        "gloom", "birds in gloomy light", "Pictures of birds with a gloomy mood.", "context",
        _all(_is(LIGHT, "night", "fog", "sunset"), Not(_is("body", *WARM))),
    ),
    Rule(
        "winter", "winter birds", "Birds for a winter calendar.", "context",
        Tree(AnyOf((
            AllOf((_is(HABITAT, "snow"), Not(_is(LIGHT, "night")))),
            AllOf((_is("body", "white"), _is(HABITAT, "sky", "forest", "water"))),
        ))),
    ),
    Rule(
        "camouflage", "camouflaged birds", "Birds that blend in with the place they are in.", "context",
        Tree(AnyOf((
            AllOf((_is(HABITAT, "desert"), _is("body", "brown", "yellow", "orange"))),
            AllOf((_is(HABITAT, "forest", "meadow"), _is("body", "green", "brown", "teal"))),
            AllOf((_is(HABITAT, "snow"), _is("body", "white", "grey"))),
            AllOf((_is(HABITAT, "sky", "water"), _is("body", "blue", "grey", "teal"))),
        ))),
    ),
    Rule(
        "dangerous", "dangerous-looking birds", "Birds that look dangerous to me.", "subjective",
        Mix(
            (
                (_is("bill", "hooked"), 2.0), (_is("bill", "dagger"), 1.5), (_is("size", "large"), 1.5),
                (_is("size", "small"), -1.5), (_is("body", "black", "red"), 1.0), (_is(LIGHT, "night"), 1.0),
                (_is("crest", "pointed"), 0.5),
            ),
            2.5,
        ),
    ),
    Rule(
        "elegant", "elegant birds", "Birds that look elegant, for a fashion brand.", "subjective",
        Mix(
            (
                (_is("neck", "long"), 1.5), (_is("leg_length", "long"), 1.0),
                (_is("tail", "long", "forked"), 1.0),
                (_is("pattern", "plain"), 0.5), (_is("bill", "cone"), -1.5), (_is("crest", "pointed"), 0.5),
            ),
            2.5,
        ),
    ),
    Rule(
        "colourful", "colourful birds", "Really colourful birds, for a carnival poster.", "subjective",
        Colours(("body", "wing", "belly", "cap"), 3),
    ),
)  # fmt: skip
"""All rules, the plain ones first."""

RULE_BY_KEY: Mapping[str, Rule] = {rule.key: rule for rule in RULES}


def rules_named(names: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of these keys; "all" names them all.

    Raises:
        InputError: One is unknown, or none is named.
    """
    if "all" in names:
        return RULES
    unlisted = [name for name in names if name not in RULE_BY_KEY]
    if unlisted or not names:
        raise InputError(
            f"There is no simulated owner {unlisted[0]!r}." if unlisted else "No simulated owner was named.",
            hint=close_to(next(iter(unlisted), ""), RULE_BY_KEY)
            + f"There are: all, {', '.join(RULE_BY_KEY)}.",
        )
    return tuple(RULE_BY_KEY[name] for name in dict.fromkeys(names))
