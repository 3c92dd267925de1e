"""A definition as the scripted guide reads it: clauses with roles, their conditions and consequences."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.conditions import (
    Condition,
    View,
    confidence,
    features_of,
    holds,
    probability,
)

Role = Literal["necessary", "positive", "negative"]
ROLES: tuple[Role, ...] = ("necessary", "positive", "negative")
_MOST_CLAUSES = 200
_ROLE_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (
        "negative",
        re.compile(
            r"\b(?:none of|must not|may not|may hold|never|exceptions?|excluded?|rules? (?:it|an image) out|"
            r"not allowed|negative|out if|is out|are out)\b"
        ),
    ),
    ("positive", re.compile(r"\b(?:any (?:one )?of|at least one|one of|suffices?|enough|positive)\b")),
    (
        "necessary",
        re.compile(r"\b(?:all of|all (?:must|hold)|must|every|necessary|needed|required|always)\b"),
    ),
)
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d+[.)])\s+(.*)$")
_MARK = re.compile(r"^- (?!Not )([^*:]+): \*\*([^*]+)\*\*$")
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+(.*)|\*\*([^*]+)\*\*:?|(.*):)\s*$")
_LABEL = re.compile(
    r"^(?:\*\*[^*]+\*\*|`[^`]+`|\([^)]{1,12}\)|\[[^\]]{1,12}\]|[a-z]{0,2}\d{1,3})\s*[.:—–-]?\s+", re.I
)


@dataclass(frozen=True, slots=True)
class ReadClause:
    """A clause and what it asks; `condition` is None where it is not understood."""

    id: str
    role: Role
    text: str
    condition: Condition | None
    strange: bool = False
    """Whether some of its words were not understood."""


def read_clause(text: str, *, role: Role = "necessary", clause_id: str = "") -> ReadClause:
    """Read one clause."""
    found = understand(text)
    condition = None if found is None else found.condition
    return ReadClause(clause_id, role, text, condition, strange=bool(found and found.strange))


def read_clauses(rows: Any) -> tuple[ReadClause, ...] | None:
    """Read clauses from the data of a question; None if they are no list of clauses."""
    if not isinstance(rows, list) or len(rows) > _MOST_CLAUSES:
        return None
    found: list[ReadClause] = []
    for row in rows:
        text = row.get("text") if isinstance(row, dict) else None
        role = row.get("role", "necessary") if isinstance(row, dict) else ""
        if not isinstance(text, str) or role not in ROLES:
            return None
        found.append(read_clause(text, role=role, clause_id=str(row.get("id", ""))))
    return tuple(found)


def read_document(text: str) -> tuple[ReadClause, ...]:
    """Read the clauses of a labelling instruction: list items under headings that say how they count.

    A heading, or a line that ends in a colon, says of the list below whether all must hold, any suffices or
    none may hold. Lists under other headings (examples, borderline cases) are passed over.

    Args:
        text: The document, Markdown or plain.
    """
    role: Role | None = None
    found: list[ReadClause] = []
    for line in text.splitlines():
        item = _BULLET.match(line)
        heading = None if item else _HEADING.match(line)
        if heading is not None:
            said = _role_said(next(part for part in heading.groups() if part is not None))
            # A line before a list may leave to the heading above it how the list counts.
            role = said if said is not None or not line.rstrip().endswith(":") else role
        elif item is not None and role is not None and len(found) < _MOST_CLAUSES:
            sentence = _LABEL.sub("", item[1].strip())
            found.append(read_clause(sentence, role=role, clause_id=str(len(found) + 1)))
        elif (
            item is None
            and line.strip()
            and (said := _role_said(line)) is not None
            and line.strip()[-1] in ":."
        ):
            role = said  # "All of these must hold." before a list
    return tuple(found)


def class_sections(text: str) -> dict[str, list[Condition]]:
    """Read what labelling instructions say of each class: list items of "attribute: value" under its name.

    Items of other forms, as those about look-alikes or pictures, are passed over: whoever reads them learns
    nothing of the class itself that is not in the others.
    """
    found: dict[str, list[Condition]] = {}
    own: list[Condition] | None = None
    for line in text.splitlines():
        if line.startswith("#"):
            own = found.setdefault(line.lstrip("# ").replace("\\", ""), [])
        elif own is not None and len(own) < _MOST_CLAUSES and (item := _MARK.match(line)):
            said = understand(item[2]) or understand(f"{item[2]} {item[1]}")
            own += [] if said is None else [said.condition]
    return found


def called(clauses: Sequence[ReadClause], view: View) -> tuple[bool | None, float]:
    """Whether a picture is in, by a reader's own view of it; None where that cannot be decided.

    Args:
        clauses: The definition; clauses that are not understood leave it open unless others settle it.
        view: What the picture is taken to show.

    Returns:
        In or out, and how sure of the clause on which that hangs, 0.5 to 1.
    """
    found = [(c.role, *_judged(c.condition, view)) for c in clauses]
    needed = [(f, p) for role, f, p in found if role == "necessary"]
    barred = [(f, p) for role, f, p in found if role == "negative"]
    any_of = [(f, p) for role, f, p in found if role == "positive"]
    parts = [*needed, *((None if f is None else not f, 1 - p) for f, p in barred)]
    if any_of:
        said = [f for f, _ in any_of]
        suffices = True if True in said else (None if None in said else False)
        parts.append((suffices, max(p for f, p in any_of if f is suffices)))
    truths = [f for f, _ in parts]
    verdict = False if False in truths else (None if None in truths or not truths else True)
    if verdict is None:
        return None, 0.5
    p = min(p for f, p in parts if f is not None)
    return verdict, min(max(p if verdict else 1 - p, 0.5), 1.0)


def settled_by(clauses: Sequence[ReadClause], values: Mapping[str, str]) -> list[ReadClause]:
    """The clauses that put a picture out: necessary ones that fail, negative ones that hold."""
    found: list[ReadClause] = []
    for clause in clauses:
        said = None if clause.condition is None else holds(clause.condition, values)
        if said is not None and clause.role != "positive" and said is (clause.role == "negative"):
            found.append(clause)
    return found


def features_said(clauses: Sequence[ReadClause]) -> frozenset[str]:
    """The features that a definition speaks of."""
    found = [features_of(clause.condition) for clause in clauses if clause.condition is not None]
    return frozenset[str]().union(*found)


def sureness(clause: ReadClause, view: View) -> float:
    """How sure of a clause's finding, 0.5 to 1; less where some of its words are strange."""
    if clause.condition is None:
        return 0.5
    sure = confidence(clause.condition, view)
    return 0.5 + (sure - 0.5) * 0.7 if clause.strange else sure


def _judged(condition: Condition | None, view: View) -> tuple[bool | None, float]:
    return (None, 0.5) if condition is None else (holds(condition, view.values), probability(condition, view))


def _role_said(text: str) -> Role | None:
    plain = text.casefold().replace("*", "")
    return next((role for role, words in _ROLE_WORDS if words.search(plain)), None)
