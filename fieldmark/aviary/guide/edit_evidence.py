"""The labelled examples of a question about edits as a table, and what an edit is worth."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fieldmark.aviary.guide.clauses import ReadClause, Role, features_said
from fieldmark.aviary.language.understand import understand, values_described
from fieldmark.aviary.world.conditions import (
    FEATURES,
    HABITAT,
    LIGHT,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
    atoms,
    features_of,
    holds,
)

_MOST_WEIGHT = 3.0
"""How much more an image that is in may count where few are: the owner wants those found."""
_COST = {"drop": -0.5, "reword": 0.3, "add": 1.0}
_COST_OF_A_PART = 1.0
_COST_OF_A_VALUE = 0.6
_COST_OF_AN_ANSWER = 2.0
_COST_OF_CHANCE = 0.5
_REASON_WORTH = 0.8
_MOST_REASONS_WORTH = 3.0
# What nobody has spoken of is seldom meant; what strikes the eye rather than the colour of the legs.
_COST_OF_THE_UNSAID = 1.5
_COST_OF_THE_STRIKING = 0.5
_STRIKING = frozenset({"body", "cap", "crest", "size", "bill", HABITAT, LIGHT})

Kind = Literal["add", "reword", "drop"]


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image in words.

    Attributes:
        seen: What it shows.
        owner: "in", "out" or "unsure".
        reason: The owner's words; may be empty.
        findings: Clause id → "yes", "no" or something else.
    """

    seen: str
    owner: str
    reason: str
    findings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TriedEdit:
    """An edit, and what it would do to the calls of the examples.

    Attributes:
        kind: What it does.
        clause: Id of the clause that it changes or drops; empty where it adds one.
        role: Role of the new clause.
        condition: What the new clause asks; None where a clause is dropped.
        gain: Right calls won less those lost; an image that is in counts more where few are.
        fixes: Wrong calls that become right.
        breaks: Right calls that become wrong.
        why: What speaks for it; empty where it is the calls alone.
    """

    kind: Kind
    clause: str
    role: Role
    condition: Condition | None
    gain: float
    fixes: int
    breaks: int
    why: str = ""


@dataclass(slots=True)
class ExampleTable:
    """The examples as columns: `[N]` arrays over the N that the owner was sure of.

    Attributes:
        examples: The examples.
        values: What each is described to show: feature → value.
        is_in: bool: whether the owner says in.
        clauses: The definition.
        weights: float64: how much each counts.
        truth: Clause id → bool: whether it was found to hold.
        masks: (feature, value) → bool: whether the description has it.
    """

    examples: list[Example]
    values: list[dict[str, str]]
    is_in: np.ndarray
    clauses: Sequence[ReadClause]
    weights: np.ndarray
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def tabled(examples: list[Example], clauses: Sequence[ReadClause]) -> ExampleTable:
    """Make the table."""
    values = [values_described(each.seen) for each in examples]
    is_in = np.array([each.owner == "in" for each in examples])
    weight = float(np.clip((~is_in).sum() / max(1, is_in.sum()), 1.0, _MOST_WEIGHT))
    table = ExampleTable(examples, values, is_in, clauses, np.where(is_in, weight, 1.0))
    for clause in clauses:
        column = [
            _found(each.findings.get(clause.id), clause, seen)
            for each, seen in zip(examples, values, strict=True)
        ]
        table.truth[clause.id] = np.array(column)
    for key in FEATURES:
        for value in VALUES[key]:
            table.masks[key, value] = np.array([seen.get(key) == value for seen in values])
    return table


def _found(finding: str | None, clause: ReadClause, seen: Mapping[str, str]) -> bool:
    """What was found of a clause; where nothing was, what the description says, or what settles nothing."""
    if finding in ("yes", "no"):
        return finding == "yes"
    own = None if clause.condition is None else holds(clause.condition, seen)
    return (clause.role == "necessary") if own is None else own


def mask_of(table: ExampleTable, condition: Condition) -> np.ndarray:
    """Which examples are described to meet a condition, bool `[N]`."""
    match condition:
        case Is(key, values):
            found = np.zeros(len(table.is_in), bool)
            for value in values:
                found |= table.masks.get((key, value), False)
            return found
        case Not(part):
            return ~mask_of(table, part)
        case Feels(_, part):
            return mask_of(table, part)
        case AllOf(()):
            return np.ones(len(table.is_in), bool)
        case AllOf(parts):
            return np.logical_and.reduce([mask_of(table, part) for part in parts])
        case AnyOf(parts):
            return np.logical_or.reduce([mask_of(table, part) for part in parts])


def calls_by(
    table: ExampleTable, *, without: str = "", role: Role | None = None, mask: np.ndarray | None = None
) -> np.ndarray:
    """Calls of the definition `[N]`, without one clause, and with another one of this role."""
    rows = [(c.role, table.truth[c.id]) for c in table.clauses if c.id != without]
    if role is not None and mask is not None:
        rows.append((role, mask))
    called = np.ones(len(table.is_in), bool)
    positive = [truth for each, truth in rows if each == "positive"]
    for each, truth in rows:
        if each != "positive":
            called &= truth if each == "necessary" else ~truth
    return called & np.logical_or.reduce(positive) if positive else called


def tried(
    table: ExampleTable, kind: Kind, clause: str, role: Role, condition: Condition | None, *, why: str = ""
) -> TriedEdit:
    """Try an edit on the examples."""
    before = calls_by(table) == table.is_in
    mask = None if condition is None else mask_of(table, condition)
    after = calls_by(table, without=clause, role=role if mask is not None else None, mask=mask) == table.is_in
    gain = float(table.weights[after & ~before].sum() - table.weights[before & ~after].sum())
    fixes, breaks = int((after & ~before).sum()), int((before & ~after).sum())
    return TriedEdit(kind, clause, role, condition, gain, fixes, breaks, why=why)


def reasons_read(table: ExampleTable) -> Iterator[tuple[Example, Role, Condition]]:
    """Each reason that names features, with the role that it gives them."""
    for example, seen in zip(table.examples, table.values, strict=True):
        understood = understand(example.reason) if example.reason.strip() else None
        if understood is None or not features_of(understood.condition):
            continue
        condition = understood.condition
        if example.owner == "in":
            yield example, "positive", condition
        elif isinstance(condition, Not):
            # "Not with a red cap", said of a bird that has one; or "it has no cap", said as a want.
            has_it = holds(condition.part, seen)
            yield example, ("necessary" if has_it is False else "negative"), condition.part
        elif holds(condition, seen):
            yield example, "negative", condition
        else:
            yield example, "necessary", condition


@dataclass(frozen=True, slots=True)
class Weighing:
    """What is known of what the owner means.

    Attributes:
        said: Features that the concept, its clauses or the owner's reasons speak of.
        settled: Features that the owner said are always needed or never right.
        unimportant: Features that the owner said do not matter.
        spoken_for: (role, feature, value) → how many reasons give the value that role.
        clauses: Clause id → the features that it speaks of.
    """

    said: frozenset[str]
    settled: frozenset[str]
    unimportant: frozenset[str]
    spoken_for: Mapping[tuple[str, str, str], int]
    clauses: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, table: ExampleTable, answers: Sequence[tuple[str, str]], concept: str) -> "Weighing":
        """Read what the question tells."""
        named = understand(concept)
        said = set(features_said(table.clauses)) | set(features_of(named.condition) if named else ())
        spoken: dict[tuple[str, str, str], int] = {}
        for _, role, condition in reasons_read(table):
            said |= features_of(condition)
            for found, _ in atoms(condition):
                for value in found.values:
                    spoken[role, found.key, value] = spoken.get((role, found.key, value), 0) + 1
        settled, unimportant = set[str](), set[str]()
        for put, answer in answers:
            understood = understand(put)
            keys = features_of(understood.condition) if understood is not None else frozenset[str]()
            plain = answer.casefold()
            if "matter" in plain:
                unimportant |= keys
            elif "always" in plain or "never" in plain:
                settled |= keys
        clauses = {c.id: features_of(c.condition) for c in table.clauses if c.condition is not None}
        return cls(frozenset(said), frozenset(settled), frozenset(unimportant), spoken, clauses)

    def __call__(self, edit: TriedEdit) -> float:
        """What an edit is worth, in right calls."""
        worth = edit.gain - _COST[edit.kind] - _COST_OF_CHANCE * math.sqrt(edit.fixes + edit.breaks)
        if edit.clause and self.clauses.get(edit.clause, frozenset()) & self.settled:
            worth -= _COST_OF_AN_ANSWER
        if edit.condition is None:
            return worth
        about = [found for found, _ in atoms(edit.condition)]
        worth -= _COST_OF_A_PART * (len(about) - 1)
        worth -= sum(self._cost_of(found, edit.role) for found in about)
        reasons = [self.spoken_for.get((edit.role, f.key, v), 0) for f in about for v in f.values]
        return worth + min(_REASON_WORTH * max(reasons, default=0), _MOST_REASONS_WORTH)

    def _cost_of(self, found: Is, role: Role) -> float:
        cost = _COST_OF_A_VALUE * (_length(found, role) - 1)
        if found.key in self.unimportant:
            return cost + _COST_OF_AN_ANSWER
        if found.key in self.said:
            return cost
        return cost + (_COST_OF_THE_STRIKING if found.key in _STRIKING else _COST_OF_THE_UNSAID)


def _length(found: Is, role: Role) -> int:
    """How many values a condition names; of a need, how many it rules out where those are fewer."""
    named, left = len(found.values), len(VALUES[found.key]) - len(found.values)
    return max(1, min(named, left) if role == "necessary" else named)
