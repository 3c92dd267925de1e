"""A definition as the scripted guide mends it: conditions with roles, what they call, how they are told.

Knows nothing about questions, examples' labels or servers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from fieldmark.evals.aviary.clause_words import clause_text
from fieldmark.evals.aviary.conditions import (
    FEATURES,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
    holds,
)
from fieldmark.evals.aviary.guide_beliefs import chance
from fieldmark.evals.aviary.guide_clauses import ROLES, Role
from fieldmark.evals.aviary.understanding import understand

_TRIED = 60
"""Made-up birds on which a sentence must mean what it is meant to."""


@dataclass(frozen=True, slots=True)
class Point:
    """One clause: what it asks, and how it counts.

    Attributes:
        role: How it counts.
        condition: What it asks; None where the guide has no idea.
        text: Its words.
        id: Its id in the question; empty where it is new.
    """

    role: Role
    condition: Condition | None
    text: str
    id: str = ""


def point(role: Role, condition: Condition) -> Point | None:
    """A clause in the guide's own words; None where the words would say something else."""
    text = clause_text(condition)
    return Point(role, condition, text) if faithful(condition, text) else None


def read_points(rows: Sequence[Mapping[str, object]]) -> list[Point]:
    """The clauses of a question."""
    found: list[Point] = []
    for row in rows:
        text, role = str(row.get("text", "")), row.get("role")
        understood = understand(text)
        condition = None if understood is None else understood.condition
        known: dict[object, Role] = {each: each for each in ROLES}
        found.append(Point(known.get(role, "necessary"), condition, text, str(row.get("id", ""))))
    return found


def calls_in(points: Sequence[Point], values: Mapping[str, str]) -> bool:
    """Whether a definition calls a bird in; what cannot be told, or means nothing to it, asks for nothing."""
    positive = [p for p in points if p.role == "positive" and p.condition is not None]
    for each in points:
        if each.condition is None:
            continue
        found = holds(each.condition, values)
        if found is {"necessary": False, "negative": True}.get(each.role, "never"):
            return False
    return not positive or any(p.condition is not None and holds(p.condition, values) for p in positive)


def faithful(condition: Condition, text: str) -> bool:
    """Whether a sentence is understood as the condition that it was made from."""
    understood = understand(text)
    if understood is None:
        return False
    return all(holds(condition, values) == holds(understood.condition, values) for values in _birds())


def simplified(condition: Condition) -> Condition:
    """A condition without vague words and without nests of one kind."""
    match condition:
        case Feels(_, part):
            return simplified(part)
        case Not(part):
            inner = simplified(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case AllOf(parts):
            return AllOf(tuple(each for part in parts for each in _inside(simplified(part), AllOf)))
        case AnyOf(parts):
            return AnyOf(tuple(each for part in parts for each in _inside(simplified(part), AnyOf)))
        case Is():
            return condition


def widened(condition: Condition, key: str, values: frozenset[str]) -> Condition | None:
    """A condition on one feature with more values; None where it is none, or all values would do."""
    if not isinstance(condition, Is) or condition.key != key:
        return None
    more = condition.values | values
    return Is(key, more) if condition.values < more < frozenset(VALUES[key]) else None


def narrowed(condition: Condition, key: str, values: frozenset[str]) -> Condition | None:
    """A condition on one feature with fewer values; None where it is none, or none would be left."""
    if not isinstance(condition, Is) or condition.key != key:
        return None
    less = condition.values - values
    return replace(condition, values=less) if less and less < condition.values else None


def terms(condition: Condition) -> Iterator[tuple[Is, bool]]:
    """The conditions on single features that a sentence lists, each with whether it is denied."""
    match condition:
        case Is():
            yield condition, False
        case Not(Is() as part):
            yield part, True
        case Not(part):
            for found, denied in terms(part):
                yield found, not denied
        case Feels(_, part):
            yield from terms(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from terms(part)


def _inside(condition: Condition, kind: type[AllOf] | type[AnyOf]) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, kind) else (condition,)


@cache
def _birds() -> tuple[dict[str, str], ...]:
    rng = chance("faithful")
    return tuple({key: rng.choice(VALUES[key]) for key in FEATURES} for _ in range(_TRIED))
