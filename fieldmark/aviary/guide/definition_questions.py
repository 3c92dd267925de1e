"""Takes questions about a definition apart, and has the scripted guide answer them from the words alone."""

import json
from collections.abc import Mapping
from typing import Any

from fieldmark.aviary.guide.clauses import ReadClause, read_clauses
from fieldmark.aviary.guide.edit_evidence import Example
from fieldmark.aviary.guide.refine import refine, reword
from fieldmark.aviary.guide.scope import queries, scope
from fieldmark.errors import InputError

ANALYST_FIELDS = frozenset({"questions", "near_miss", "edits", "rewording"})
"""Fields by which an answer about a definition is known."""


class BadDefinitionError(InputError):
    """A question about a definition whose data do not fit."""


def is_about_definition(fields: frozenset[str], data: Mapping[str, Any]) -> bool:
    """Whether a question is about a concept's definition, or about words that a model works by."""
    return "rewording" in fields or (bool(fields & ANALYST_FIELDS) and "concept" in data)


def answer_about_definition(fields: frozenset[str], data: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question about a definition.

    Raises:
        BadDefinitionError: The data do not fit.
    """
    if "rewording" in fields:
        return _reworded(data)
    concept, purpose = _text(data, "concept"), _text(data, "purpose")
    clauses = _clauses(data)
    question = json.dumps(data, sort_keys=True)
    if "questions" in fields:
        return scope(concept, purpose, clauses, _pairs(data, "asked"), question)
    if "near_miss" in fields:
        return queries(clauses, concept, question)
    return refine(concept, purpose, clauses, _examples(data), _pairs(data, "answers"), question)


def _reworded(data: Mapping[str, Any]) -> dict[str, str]:
    """Another wording of a clause. Rules stay as they are: the guide never reads those of a question."""
    text, context = _text(data, "text"), data.get("context")
    if data.get("use") != "clause" or not isinstance(context, dict):
        return {"why": "I go by the data of a question, whatever rules it ends with.", "rewording": text}
    about = f"{_text(context, 'concept')}. {_text(context, 'purpose')}"
    examples = _examples({"examples": data.get("outcomes", [])})
    better = reword(_text(data, "part"), about, _clauses(context), examples)
    why = "So it agrees with what was said of more of these pictures." if better else "It is not to blame."
    return {"why": why, "rewording": better or text}


def _clauses(data: Mapping[str, Any]) -> tuple[ReadClause, ...]:
    found = read_clauses(data.get("clauses", []))
    if found is None:
        raise BadDefinitionError("its data give no list of 'clauses'")
    return found


def _pairs(data: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    return [(_text(row, "question"), _text(row, "answer")) for row in _rows(data, name)]


def _examples(data: Mapping[str, Any]) -> list[Example]:
    found: list[Example] = []
    for row in _rows(data, "examples"):
        findings = row.get("findings", {})
        if not isinstance(findings, dict):
            raise BadDefinitionError("an example gives no 'findings'")
        stated = {str(name): str(value) for name, value in findings.items()}
        found.append(Example(_text(row, "seen"), _text(row, "owner"), _text(row, "reason"), stated))
    return found


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str):
        raise BadDefinitionError(f"its data give no {name!r}")
    return value


def _rows(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = data.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadDefinitionError(f"its data give no list of {name!r}")
    return list(rows)
