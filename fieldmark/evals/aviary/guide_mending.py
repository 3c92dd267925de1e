"""How the scripted guide mends a definition: by the owner's reasons, then by what labelled images share.

All it uses stands in the question: what is seen in each image, the owner's label and words, and the clauses.
Knows nothing about hidden rules, pictures or servers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from fieldmark.evals.aviary.conditions import FEATURES, VALUES, AllOf, AnyOf, Condition, Is, holds
from fieldmark.evals.aviary.guide_clauses import Role
from fieldmark.evals.aviary.guide_definitions import (
    Point,
    calls_in,
    narrowed,
    point,
    read_points,
    simplified,
    terms,
    widened,
)
from fieldmark.evals.aviary.understanding import understand, values_described

MOST_EDITS = 6
LEAST_SUPPORT = 2
"""Examples that must speak for an edit that no reason names."""
SIZE_COST = 0.5
"""What each further condition of an edit must win, in examples."""
_MOST_PAIRS = 12
_WIDEST = 5
"""The most values that are taken for a pattern rather than for chance."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image in words.

    Attributes:
        values: What is said to be seen, feature by feature.
        inside: The owner's label.
        reason: What the owner's words ask for, or rule out; None where there are none.
    """

    values: Mapping[str, str]
    inside: bool
    reason: Condition | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit with the definition it leads to.

    Attributes:
        kind: "add", "reword" or "drop".
        clause: Id of the clause concerned.
        new: The clause it brings; None for "drop".
        after: The definition with it.
        named: Whether an owner's reason speaks of it.
    """

    kind: str
    clause: str
    new: Point | None
    after: tuple[Point, ...]
    named: bool = False


def refine(clauses: Sequence[Mapping[str, object]], rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    """Propose edits, the most promising first.

    Args:
        clauses: The definition.
        rows: The examples of the question.
    """
    points = tuple(read_points(clauses))
    examples = [example for row in rows if (example := read_example(row)) is not None]
    proposals = [*by_reasons(points, examples), *by_induction(points, examples)]
    before = sum(calls_in(points, each.values) == each.inside for each in examples)
    ranked: dict[tuple[str, str, str, str], tuple[float, Proposal, int]] = {}
    for each in proposals:
        right = sum(calls_in(each.after, example.values) == example.inside for example in examples)
        gain = right - before
        least = 1 if each.named else 0 if each.kind == "drop" else LEAST_SUPPORT
        if gain < least:
            continue
        worth = gain - SIZE_COST * _size(each) + 0.5 * each.named
        key = (each.kind, each.clause, each.new.role if each.new else "", each.new.text if each.new else "")
        if key not in ranked or worth > ranked[key][0]:
            ranked[key] = (worth, each, gain)
    best = sorted(ranked.items(), key=lambda item: (-item[1][0], len(item[0][3]), item[0]))[:MOST_EDITS]
    return {"edits": [_row(each, gain) for _, (_, each, gain) in best]}


def read_example(row: Mapping[str, object]) -> Example | None:
    """An example of a question; None where nothing can be made of it."""
    owner = row.get("owner")
    values = values_described(str(row.get("seen", "")))
    if owner not in ("in", "out") or not values:
        return None
    understood = understand(str(row.get("reason", "")))
    return Example(values, owner == "in", None if understood is None else simplified(understood.condition))


def by_reasons(points: Sequence[Point], examples: Sequence[Example]) -> Iterator[Proposal]:
    """What the owner's words suggest, for the images that the definition gets wrong."""
    for example in examples:
        if example.reason is None or calls_in(points, example.values) == example.inside:
            continue
        for found, denied in terms(example.reason):
            if example.inside:
                yield from _let_in(points, found, example)
            elif denied:
                yield from _added(points, "negative", found, named=True)
            else:
                yield from _added(points, "necessary", found, named=True)


def by_induction(points: Sequence[Point], examples: Sequence[Example]) -> Iterator[Proposal]:
    """What the wrongly called images share and the rightly called ones lack."""
    wrong_in = [e for e in examples if not e.inside and calls_in(points, e.values)]
    wrong_out = [e for e in examples if e.inside and not calls_in(points, e.values)]
    inside = [e for e in examples if e.inside]
    for each in points:
        if len(points) > 1:
            yield Proposal("drop", each.id, None, tuple(p for p in points if p is not each))
    if wrong_in:
        yield from _exceptions(points, wrong_in, [e for e in inside if calls_in(points, e.values)])
        yield from _requirements(points, inside)
    if wrong_out:
        for example in wrong_out:
            for key, value in example.values.items():
                yield from _let_in(points, Is(key, frozenset({value})), example, named=False)
        yield from _alternatives(points, wrong_out)


def _exceptions(
    points: Sequence[Point], wrong: Sequence[Example], right: Sequence[Example]
) -> Iterator[Proposal]:
    """Values, sets of values and pairs of values that mark what is wrongly let in."""
    singles: list[Is] = []
    for key in FEATURES:
        against, held = _counts(wrong, key), _counts(right, key)
        worse = {value for value, count in against.items() if count > held[value]}
        singles += [Is(key, frozenset({value})) for value in sorted(worse)]
        if 1 < len(worse) <= _WIDEST:
            singles.append(Is(key, frozenset(worse)))
    for each in singles:
        yield from _added(points, "negative", each)
    common = _commonest(wrong)
    for one, other in combinations(common, 2):
        if one.key != other.key:
            yield from _added(points, "negative", AllOf((one, other)))


def _requirements(points: Sequence[Point], inside: Sequence[Example]) -> Iterator[Proposal]:
    """What all images that are in have in common."""
    for key in FEATURES:
        seen = {e.values[key] for e in inside if key in e.values}
        if seen and len(seen) <= min(_WIDEST, len(VALUES[key]) - 1):
            yield from _added(points, "necessary", Is(key, frozenset(seen)))
            counts = _counts(inside, key)
            usual = frozenset(value for value, count in counts.items() if count > 1)
            if usual and usual < seen:
                yield from _added(points, "necessary", Is(key, usual))


def _alternatives(points: Sequence[Point], wrong: Sequence[Example]) -> Iterator[Proposal]:
    """Other ways to be in: a further positive clause, or a necessary one that leaves a choice."""
    common: list[Condition] = list(_commonest(wrong))
    pairs = [AllOf((a, b)) for a, b in combinations(_commonest(wrong), 2) if a.key != b.key]
    for each in (*common, *pairs):
        if any(p.role == "positive" for p in points):
            yield from _added(points, "positive", each)
        for old in points:
            if old.role == "necessary" and old.condition is not None:
                yield from _reworded(points, old, AnyOf((simplified(old.condition), each)))


def _let_in(
    points: Sequence[Point], found: Is, example: Example, *, named: bool = True
) -> Iterator[Proposal]:
    """Edits of the clauses that put an image out, so that this value of it does not."""
    for old in points:
        if old.condition is None:
            continue
        condition = simplified(old.condition)
        told = holds(condition, example.values)
        if old.role == "negative" and told:
            less = narrowed(condition, found.key, found.values)
            if less is not None:
                yield from _reworded(points, old, less, named=named)
        if old.role != "negative" and told is False:
            more = widened(condition, found.key, found.values)
            if more is not None:
                yield from _reworded(points, old, more, named=named)
            elif named:
                yield from _reworded(points, old, AnyOf((condition, found)), named=True)


def _added(
    points: Sequence[Point], role: Role, condition: Condition, *, named: bool = False
) -> Iterator[Proposal]:
    made = point(role, condition)
    if made is not None:
        yield Proposal("add", "", made, (*points, made), named=named)


def _reworded(
    points: Sequence[Point], old: Point, condition: Condition, *, named: bool = False
) -> Iterator[Proposal]:
    made = point(old.role, condition)
    if made is not None and made.text != old.text:
        after = tuple(replace(made, id=old.id) if p is old else p for p in points)
        yield Proposal("reword", old.id, made, after, named=named)


def _commonest(examples: Sequence[Example]) -> list[Is]:
    counts = Counter((key, value) for e in examples for key, value in e.values.items())
    ranked = sorted(counts, key=lambda each: (-counts[each] * len(VALUES[each[0]]), each))
    return [Is(key, frozenset({value})) for key, value in ranked[:_MOST_PAIRS]]


def _counts(examples: Sequence[Example], key: str) -> Counter[str]:
    return Counter(e.values[key] for e in examples if key in e.values)


def _size(each: Proposal) -> float:
    if each.new is None or each.new.condition is None:
        return -1.0
    grown = sum(1 for _ in terms(each.new.condition))
    return grown if each.kind == "add" else grown - 1


def _row(each: Proposal, gain: int) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "clause": each.clause,
        "role": each.new.role if each.new else "",
        "text": each.new.text if each.new else "",
        "why": "the owner says so" if each.named else f"it mends {max(gain, 0)} of the examples",
    }
