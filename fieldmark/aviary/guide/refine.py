"""How the scripted guide proposes edits of a definition: from owners' reasons and by comparing descriptions.

It reads nothing but the examples in the question, and is imperfect on purpose. It knows no hidden rule.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fieldmark.aviary.guide.beliefs import seeded_rng
from fieldmark.aviary.guide.clauses import ReadClause, Role
from fieldmark.aviary.guide.edit_evidence import (
    Example,
    ExampleTable,
    TriedEdit,
    Weighing,
    calls_by,
    reasons_read,
    tabled,
    tried,
)
from fieldmark.aviary.language.clause_words import clause_text
from fieldmark.aviary.world.conditions import (
    FEATURES,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
    all_of,
    any_of,
    atoms,
    features_of,
)

MOST_EDITS = 6
_MOST_EXAMPLES = 400
_PAIR_SUPPORT = 2
_MOST_OF_ONE_KIND = 2
_BLUR = 0.8
"""How far chance shifts what an edit seems worth, in right calls."""

# Where the owner blames the reading of an image, there is nothing to learn for the definition.
_MISREAD = re.compile(r"\bmisread\b|\bmodel (?:is|was) wrong\b")


def refine(
    concept: str,
    purpose: str,
    clauses: Sequence[ReadClause],
    examples: Sequence[Example],
    answers: Sequence[tuple[str, str]],
    question: str,
) -> dict[str, Any]:
    """Propose edits, the most promising first."""
    sure = [each for each in examples if each.owner in ("in", "out") and not _MISREAD.search(each.reason)]
    sure = sure[:_MOST_EXAMPLES]
    if not sure:
        return {"edits": []}
    table = tabled(sure, clauses)
    edits = [*_drops(table), *_rewordings(table), *_from_reasons(table), *_inductions(table)]
    weigh = Weighing.of(table, answers, f"{concept}. {purpose}")
    rows: dict[tuple[str, str, str, str], tuple[float, TriedEdit]] = {}
    for edit in edits:
        worth = weigh(edit)
        text = "" if edit.condition is None else clause_text(edit.condition)
        key = (edit.kind, edit.clause, edit.role, text)
        worth += _BLUR * (seeded_rng("refine", question, *key).random() - 0.5)
        if worth > 0 and edit.fixes and len(text) <= 290 and (key not in rows or rows[key][0] < worth):
            rows[key] = (worth, edit)
    return {"edits": _best(rows)}


def reword(clause: str, concept: str, clauses: Sequence[ReadClause], examples: Sequence[Example]) -> str:
    """The wording of one clause, in its role, that the examples speak for most; empty where none does."""
    sure = [each for each in examples if each.owner in ("in", "out")][:_MOST_EXAMPLES]
    role: Role | None = next((each.role for each in clauses if each.id == clause), None)
    if not sure or role is None:
        return ""
    table = tabled(sure, clauses)
    weigh = Weighing.of(table, (), concept)
    found: list[tuple[float, str]] = []
    for edit in (*_rewordings(table), *_from_reasons(table), *_readings(table, clause, role)):
        if edit.kind == "reword" and edit.clause == clause and edit.role == role and edit.condition:
            text = clause_text(edit.condition)
            if edit.fixes and len(text) <= 290 and (worth := weigh(edit)) > 0:
                found.append((worth, text))
    return min(found, key=lambda each: (-each[0], each[1]))[1] if found else ""


def _readings(table: ExampleTable, clause: str, role: Role) -> Iterator[TriedEdit]:
    """What a clause may mean that speaks of no feature, or is not understood: one feature's values."""
    own = next(each.condition for each in table.clauses if each.id == clause)
    if own is not None and features_of(own):
        return
    for key in FEATURES:
        values = _fitted(table, key, role, clause, frozenset())
        if values and len(values) < len(VALUES[key]):
            yield tried(table, "reword", clause, role, Is(key, values))


def _best(rows: Mapping[tuple[str, str, str, str], tuple[float, TriedEdit]]) -> list[dict[str, Any]]:
    chosen: list[dict[str, Any]] = []
    counts: dict[tuple[str, str, str, frozenset[str]], int] = {}
    for (kind, clause, role, text), (_, edit) in sorted(rows.items(), key=lambda row: (-row[1][0], row[0])):
        about = frozenset[str]() if edit.condition is None else features_of(edit.condition)
        sort = (kind, clause, role, about)
        counts[sort] = counts.get(sort, 0) + 1
        if counts[sort] > _MOST_OF_ONE_KIND or len(chosen) == MOST_EDITS:
            continue
        why = edit.why or f"{edit.fixes} wrong calls become right"
        dropped = kind == "drop"
        chosen.append(
            {"kind": kind, "clause": clause, "role": "" if dropped else role, "text": text, "why": why}
        )
    return chosen


def _drops(table: ExampleTable) -> Iterator[TriedEdit]:
    if len(table.clauses) > 1:
        for clause in table.clauses:
            yield tried(table, "drop", clause.id, clause.role, None)


def _rewordings(table: ExampleTable) -> Iterator[TriedEdit]:
    """Clauses with values more or fewer, with an alternative, an exception, or in another role."""
    for clause in table.clauses:
        condition = clause.condition
        inner = condition.part if isinstance(condition, Not) else condition
        if inner is None:
            continue
        if isinstance(condition, Not) and isinstance(inner, Is):
            condition = Is(inner.key, frozenset(VALUES[inner.key]) - inner.values)
        if isinstance(condition, Is):
            fitted = _fitted(table, condition.key, clause.role, clause.id, condition.values)
            for values in (fitted, condition.values | fitted, condition.values & fitted):
                if values and values != condition.values and len(values) < len(VALUES[condition.key]):
                    yield tried(table, "reword", clause.id, clause.role, Is(condition.key, values))
        for role in ("necessary", "positive"):
            if role != clause.role and clause.role != "negative" and condition is not None:
                yield tried(table, "reword", clause.id, role, condition)
        if condition is None or isinstance(condition, Feels) or len(list(atoms(condition))) != 1:
            continue
        for (key, value), mask in table.masks.items():
            if key in features_of(condition) or mask.sum() < _PAIR_SUPPORT:
                continue
            found = Is(key, frozenset({value}))
            yield tried(table, "reword", clause.id, clause.role, any_of([condition, found]))
            if clause.role != "necessary":
                other = Is(key, frozenset(VALUES[key]) - {value})
                yield tried(table, "reword", clause.id, clause.role, all_of([condition, other]))


def _fitted(
    table: ExampleTable, key: str, role: Role, without: str, default: frozenset[str]
) -> frozenset[str]:
    """The values of a feature for which a clause of this role had better hold, one by one.

    Each value is decided by the images that show it; `default` where they do not tell.
    """
    chosen = set[str]()
    ones = np.ones(len(table.is_in), bool)
    with_it = calls_by(table, without=without, role=role, mask=ones) == table.is_in
    without_it = calls_by(table, without=without, role=role, mask=~ones) == table.is_in
    for value in VALUES[key]:
        mask = table.masks[key, value]
        gain = float((table.weights * (with_it.astype(float) - without_it))[mask].sum())
        if gain > 0 or (gain == 0 and value in default):
            chosen.add(value)
    return frozenset(chosen)


def _inductions(table: ExampleTable) -> Iterator[TriedEdit]:
    """New clauses on one feature, or on two where many images show both."""
    everything = {key: frozenset(VALUES[key]) for key in FEATURES}
    has_positive = any(clause.role == "positive" for clause in table.clauses)
    for key in FEATURES:
        barred = _fitted(table, key, "negative", "", frozenset())
        if barred and barred != everything[key]:
            yield tried(table, "add", "", "negative", Is(key, barred))
        seen_in = frozenset(v for v in VALUES[key] if (table.masks[key, v] & table.is_in).any())
        for needed in (_fitted(table, key, "necessary", "", everything[key]), seen_in):
            # A need that rules out few values is said as an exception instead.
            if needed and 2 * len(needed) <= len(everything[key]):
                yield tried(table, "add", "", "necessary", Is(key, needed))
        for value in VALUES[key]:
            yield tried(table, "add", "", "negative", Is(key, frozenset({value})))
            if has_positive:
                yield tried(table, "add", "", "positive", Is(key, frozenset({value})))
        if has_positive and (also := _fitted(table, key, "positive", "", frozenset())):
            yield tried(table, "add", "", "positive", Is(key, also))
    yield from _pairs(table, has_positive=has_positive)


def _pairs(table: ExampleTable, *, has_positive: bool) -> Iterator[TriedEdit]:
    """Two marks together, as an exception or as one more thing that suffices; the best few by all at once."""
    names = [name for name, mask in table.masks.items() if mask.sum() >= _PAIR_SUPPORT]
    if not names:
        return
    grid = np.array([table.masks[name] for name in names], dtype=np.float32)  # [M, N]
    called = calls_by(table)
    for role in ("negative", "positive") if has_positive else ("negative",):
        turned = called if role == "negative" else _turned_in(table) & ~called
        right = table.is_in != (role == "negative")
        worth = np.where(turned, np.where(right, 1, -1), 0) * table.weights
        gains = (grid * worth) @ grid.T  # [M, M]: right calls won by both together
        order = np.argsort(-gains, axis=None, kind="stable")[:60]
        for place in order.tolist():
            one, two = names[place // len(names)], names[place % len(names)]
            if one < two and one[0] != two[0]:
                parts: list[Condition] = [Is(key, frozenset({value})) for key, value in (one, two)]
                yield tried(table, "add", "", role, all_of(parts))


def _turned_in(table: ExampleTable) -> np.ndarray:
    """Which images would be in if a positive clause held for all."""
    return calls_by(table, role="positive", mask=np.ones(len(table.is_in), bool))


def _from_reasons(table: ExampleTable) -> Iterator[TriedEdit]:
    """What an owner's words suggest: an exception, a need, something that suffices or widens a clause."""
    for example, role, condition in reasons_read(table):
        why = f'the owner says: "{example.reason.strip()[:200]}"'
        yield tried(table, "add", "", role, condition, why=why)
        parts = condition.parts if isinstance(condition, AllOf | AnyOf) else (condition,)
        for part in parts:
            if part is not condition:
                yield tried(table, "add", "", role, part, why=why)
            for clause in table.clauses:
                old = clause.condition
                if (
                    isinstance(part, Is)
                    and isinstance(old, Is)
                    and old.key == part.key
                    and role != "negative"
                ):
                    wider = Is(old.key, old.values | part.values)
                    if clause.role != "negative" and wider.values != old.values:
                        yield tried(table, "reword", clause.id, clause.role, wider, why=why)
                elif old is not None and clause.role == "necessary" and role == "positive":
                    if features_of(old) & features_of(part) or len(list(atoms(old))) > 1:
                        continue
                    yield tried(table, "reword", clause.id, "necessary", any_of([old, part]), why=why)
