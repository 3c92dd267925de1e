"""What a sentence asks of a bird: conditions on its marks, habitat and light, and whether they hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fieldmark.aviary.world.attributes import ATTRIBUTES, HABITATS, KEYS, LIGHTS, NONE

HABITAT = "habitat"
LIGHT = "light"
VALUES: Mapping[str, tuple[str, ...]] = {a.key: a.values for a in ATTRIBUTES} | {
    HABITAT: HABITATS,
    LIGHT: LIGHTS,
}
"""Every value of every feature: the sixteen marks, then habitat and light."""
FEATURES: tuple[str, ...] = (*KEYS, HABITAT, LIGHT)
UNKNOWN_VALUE = "?"
"""What a view holds where nothing can be made out."""
_LEAST_CONFIDENCE = 0.5
_VAGUE_TRUST = 0.5


@dataclass(frozen=True, slots=True)
class Is:
    """One feature has one of these values."""

    key: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Feels:
    """A vague word ("elegant"), and what it is taken to mean."""

    word: str
    part: "Condition"


Condition = Is | Not | AllOf | AnyOf | Feels


@dataclass(frozen=True, slots=True)
class View:
    """What somebody takes a picture to show."""

    values: Mapping[str, str]
    """Value of every feature; `UNKNOWN_VALUE` where it cannot be made out."""
    certainty: Mapping[str, float]
    """How sure of each, 0.5 to 1."""


def present(key: str) -> Is:
    """The condition that a mark which can be absent is there."""
    return Is(key, frozenset(VALUES[key]) - {NONE})


def holds(condition: Condition, values: Mapping[str, str]) -> bool | None:
    """Whether a condition holds; None where it depends on what cannot be made out.

    Args:
        condition: The condition.
        values: Value of every feature; `UNKNOWN_VALUE`, or no entry, where it cannot be made out.
    """
    match condition:
        case Is(key, wanted):
            value = values.get(key, UNKNOWN_VALUE)
            return None if value == UNKNOWN_VALUE else value in wanted
        case Not(part):
            found = holds(part, values)
            return None if found is None else not found
        case Feels(_, part):
            return holds(part, values)
        case AllOf(parts):
            found = [holds(part, values) for part in parts]
            return False if False in found else (None if None in found else True)
        case AnyOf(parts):
            found = [holds(part, values) for part in parts]
            return True if True in found else (None if None in found else False)


def confidence(condition: Condition, view: View) -> float:
    """How sure somebody with this view is of what `holds` says, 0.5 to 1.

    The probabilities of the parts are taken as independent; a vague word is half as sure.
    """
    found = holds(condition, view.values)
    if found is None:
        return _LEAST_CONFIDENCE
    p = probability(condition, view)
    return min(max(p if found else 1 - p, _LEAST_CONFIDENCE), 1.0)


def probability(condition: Condition, view: View) -> float:
    """Probability that a condition holds, to somebody with this view; features taken as independent."""
    match condition:
        case Is(key, wanted):
            possible = VALUES[key]
            value = view.values.get(key, UNKNOWN_VALUE)
            if value == UNKNOWN_VALUE:
                return sum(each in wanted for each in possible) / len(possible)
            sure = view.certainty.get(key, 1.0)
            others = [each for each in possible if each != value]
            elsewhere = sum(each in wanted for each in others) / len(others)
            return sure * (value in wanted) + (1 - sure) * elsewhere
        case Not(part):
            return 1 - probability(part, view)
        case Feels(_, part):
            return 0.5 + _VAGUE_TRUST * (probability(part, view) - 0.5)
        case AllOf(parts):
            result = 1.0
            for part in parts:
                result *= probability(part, view)
            return result
        case AnyOf(parts):
            result = 1.0
            for part in parts:
                result *= 1 - probability(part, view)
            return 1 - result


def atoms(condition: Condition, *, negated: bool = False) -> Iterator[tuple[Is, bool]]:
    """Every condition on one feature inside, in order, and whether it stands under a negation."""
    match condition:
        case Is():
            yield condition, negated
        case Not(part):
            yield from atoms(part, negated=not negated)
        case Feels(_, part):
            yield from atoms(part, negated=negated)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from atoms(part, negated=negated)


def features_of(condition: Condition) -> frozenset[str]:
    """The features a condition speaks of."""
    return frozenset(found.key for found, _ in atoms(condition))


def all_of(parts: "list[Condition]") -> Condition:
    """All of them; one alone stays as it is."""
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def any_of(parts: "list[Condition]") -> Condition:
    """Any of them; values of one feature are put together, and one alone stays as it is."""
    merged: list[Condition] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Is) and isinstance(last, Is) and last.key == part.key:
            merged[-1] = Is(part.key, last.values | part.values)
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 else AnyOf(tuple(merged))
