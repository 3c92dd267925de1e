"""How the scripted guide drafts a definition from name and purpose, asks what is open, and takes answers in.

It reads as any reader would, from the words alone. Knows nothing about hidden rules, pictures or servers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.evals.aviary.attributes import NONE
from fieldmark.evals.aviary.clause_words import birds_with
from fieldmark.evals.aviary.conditions import (
    HABITAT,
    LIGHT,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
    features_of,
    present,
)
from fieldmark.evals.aviary.guide_beliefs import chance
from fieldmark.evals.aviary.guide_definitions import Point, point, read_points, simplified, terms, widened
from fieldmark.evals.aviary.understanding import understand

MOST_CLAUSES = 8
MOST_QUESTIONS = 8
MOST_QUERIES = 8
OPTIONS = ("always needed", "only some of them count", "never", "it does not matter")
_MISSED = 0.2
"""How often one of several things that a vague word brings to mind is not thought of."""
_OFTEN_MATTERS: tuple[Condition, ...] = (
    Is(LIGHT, frozenset({"night", "fog"})),
    Is("size", frozenset({"small"})),
    Is(HABITAT, frozenset({"snow"})),
    present("cap"),
    present("crest"),
    Is("bill", frozenset({"hooked", "dagger"})),
    Is("size", frozenset({"large"})),
    Is(HABITAT, frozenset({"water"})),
    Is("body", frozenset({"black"})),
    Is("leg_length", frozenset({"long"})),
    present("collar"),
    Is("pattern", frozenset({"plain"})),
)
_CAN_BE_ABSENT = frozenset(key for key, values in VALUES.items() if NONE in values)


def scope(
    concept: str, purpose: str, clauses: Sequence[Mapping[str, object]], asked: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Draft or revise a definition, and say what is open.

    Args:
        concept: The concept's name.
        purpose: What its owner says of it.
        clauses: The definition so far; none for the first draft.
        asked: Questions and answers so far.
    """
    points = read_points(clauses) if clauses else draft(concept, purpose)
    for question, answer in asked:
        points = revised(points, question, answer)
    points = points[:MOST_CLAUSES] or [_nothing(concept)]
    known = {question for question, _ in asked}
    return {
        "clauses": [{"role": each.role, "text": each.text} for each in points],
        "questions": [row for row in open_questions(concept, points) if row["question"] not in known][
            :MOST_QUESTIONS
        ],
    }


def draft(concept: str, purpose: str) -> list[Point]:
    """The clauses that name and purpose bring to mind."""
    rng = chance("draft", concept, purpose)
    found: list[Point] = []
    for sentence in (concept, *purpose.split(".")):
        understood = understand(sentence)
        if understood is None:
            continue
        for part in _conjuncts(understood.condition):
            vague = isinstance(part, Feels)
            for each in _conjuncts(simplified(part)):
                if vague and found and rng.random() < _MISSED:
                    continue
                made = point("negative", each.part) if isinstance(each, Not) else point("necessary", each)
                if made is not None and made.text not in {p.text for p in found}:
                    found.append(made)
    return _without_repeats(found) or [_nothing(concept)]


def revised(points: Sequence[Point], question: str, answer: str) -> list[Point]:
    """The definition after an answer; what the answer does not speak of stays word for word."""
    understood = understand(question)
    said = answer.casefold()
    if understood is None or not said.strip():
        return list(points)
    condition = simplified(understood.condition)
    head, _, more = said.partition(";")
    result = list(points)
    if "always" in head or "needed" in head or "must" in head:
        result = _with_necessary(result, condition)
    elif "never" in head:
        result = _with_negative(result, condition)
    elif "matter" in head:
        keys = features_of(condition)
        result = [p for p in result if p.condition is None or not features_of(p.condition) <= keys]
    elif "some" not in head:
        result = _by_free_text(result, condition, answer)
    return _wider(result, more) if more.strip() else result


def open_questions(concept: str, points: Sequence[Point]) -> list[dict[str, Any]]:
    """Questions about what the clauses say, then about what often matters; always in the same order."""
    rng = chance("questions", concept)
    others = list(_OFTEN_MATTERS)
    rng.shuffle(others)
    spoken = [p.condition for p in points if p.condition is not None and p.role != "negative"]
    told = {
        f"Must they always be {birds_with(each)}?"
        if each in spoken
        else f"What of {birds_with(each)}?": birds_with(each)
        for each in (*spoken, *others)
    }
    return [
        {"question": question, "about": about[:120], "options": list(OPTIONS)}
        for question, about in told.items()
    ]


def queries(clauses: Sequence[Mapping[str, object]], concept: str) -> dict[str, Any]:
    """Captions of what the clauses ask for, and of what nearly fits: one feature otherwise."""
    points = [p for p in read_points(clauses) if p.condition is not None]
    needed = [s for p in points if p.role == "necessary" for s in _conjuncts(simplified(_of(p)))]
    barred = [simplified(_of(p)) for p in points if p.role == "negative"]
    any_of = [simplified(_of(p)) for p in points if p.role == "positive"]
    positive = [_caption([*needed, each]) for each in any_of or [*_single_values(needed)]]
    if not any_of:
        positive = [_caption(needed)] + [
            _caption([*_others(needed, each), each]) for each in _single_values(needed)
        ]
    misses = [_caption([*needed, each]) for each in barred]
    misses += [_caption([*_others(needed, each), *_contrary(each)]) for each in needed]
    return {
        "positive": _distinct([*positive, f"a photo of {concept}"]),
        "near_miss": _distinct([*misses, "a photo of a bird"]),
    }


def _nothing(concept: str) -> Point:
    return Point("necessary", None, f"The image shows one of the {' '.join(concept.split())}.")


def _of(each: Point) -> Condition:
    return each.condition if each.condition is not None else AllOf(())


def _conjuncts(condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _without_repeats(points: Sequence[Point]) -> list[Point]:
    """Of several clauses on one feature the first stands: a second word is mostly for the same."""
    kept: list[Point] = []
    for each in points:
        keys = features_of(_of(each))
        if not any(keys == features_of(_of(other)) and each.role == other.role for other in kept):
            kept.append(each)
    return kept


def _with_necessary(points: list[Point], condition: Condition) -> list[Point]:
    keys = features_of(condition)
    if any(p.role == "necessary" and features_of(_of(p)) == keys for p in points):
        return points
    made = point("necessary", condition)
    return points if made is None else [*[p for p in points if p.condition is not None], made]


def _with_negative(points: list[Point], condition: Condition) -> list[Point]:
    made = point("negative", condition)
    if made is None or made.text in {p.text for p in points if p.role == "negative"}:
        return points
    left = [p for p in points if p.role == "negative" or p.text != made.text]
    return [*left, made]


def _by_free_text(points: list[Point], condition: Condition, answer: str) -> list[Point]:
    """An answer in the owner's own words: what it affirms is needed, what it denies is ruled out."""
    keys = features_of(condition)
    about = next(iter(keys)) if len(keys) == 1 else None
    understood = understand(answer, about=about)
    if understood is None:
        return points
    result = points
    for found, denied in terms(simplified(understood.condition)):
        result = _with_negative(result, found) if denied else _with_necessary(result, found)
    return result


def _wider(points: list[Point], more: str) -> list[Point]:
    """The definition after "… counts too": a clause on the same feature takes more values."""
    understood = understand(more)
    if understood is None:
        return points
    result = list(points)
    for found, denied in terms(simplified(understood.condition)):
        for place, each in enumerate(result):
            if denied or each.role == "negative" or each.condition is None:
                continue
            wide = widened(simplified(each.condition), found.key, found.values)
            made = None if wide is None else point(each.role, wide)
            if made is not None:
                result[place] = made
    return result


def _single_values(conditions: Sequence[Condition]) -> list[Is]:
    """Each value by itself, of conditions that leave a choice."""
    return [
        Is(each.key, frozenset({value}))
        for each in conditions
        if isinstance(each, Is) and len(each.values) > 1
        for value in sorted(each.values)
    ][:MOST_QUERIES]


def _others(conditions: Sequence[Condition], one: Condition) -> list[Condition]:
    keys = features_of(one)
    return [each for each in conditions if features_of(each) != keys]


def _contrary(condition: Condition) -> list[Condition]:
    """The same feature with one of its other values, so that a caption names what is there."""
    if not isinstance(condition, Is):
        return [Not(condition)] if not isinstance(condition, Not) else [condition.part]
    rest = [value for value in VALUES[condition.key] if value not in condition.values]
    visible = [value for value in rest if value != NONE] or rest
    return [Is(condition.key, frozenset({visible[0]}))] if visible else []


def _caption(conditions: Sequence[Condition]) -> str:
    affirmed = [each for each in conditions if not isinstance(each, Not)]
    if not affirmed:
        return "a photo of a bird"
    joined: Condition = affirmed[0] if len(affirmed) == 1 else AllOf(tuple(affirmed))
    if isinstance(joined, AnyOf):
        joined = joined.parts[0]
    return f"a photo of {birds_with(joined)}"


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))[:MOST_QUERIES]
