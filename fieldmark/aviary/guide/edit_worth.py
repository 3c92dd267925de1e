"""What an edit is worth to the scripted guide: its right calls, less what makes it implausible."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.aviary.guide.clauses import Role, features_said
from fieldmark.aviary.guide.edit_evidence import ExampleTable, TriedEdit, reasons_read
from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.conditions import HABITAT, LIGHT, VALUES, Is, atoms, features_of

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
