"""Takes questions about a definition apart, and has the scripted guide answer them from the words alone.

Knows nothing about how definitions are drafted or mended, about pictures or about HTTP.
"""

from collections.abc import Mapping
from typing import Any

from fieldmark.errors import InputError
from fieldmark.evals.aviary import guide_drafting as drafting
from fieldmark.evals.aviary import guide_mending as mending

ANALYST_FIELDS = frozenset({"questions", "near_miss", "edits"})
"""Fields by which an answer about a definition is known."""


class BadDefinitionError(InputError):
    """A question about a definition whose data do not fit."""


def is_about_definition(fields: frozenset[str], data: Mapping[str, Any]) -> bool:
    """Whether a question is about a concept's definition."""
    return bool(fields & ANALYST_FIELDS) and "concept" in data


def answer_about_definition(fields: frozenset[str], data: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question about a definition.

    Args:
        fields: Fields of the answer that is asked for.
        data: The data block of the question.

    Raises:
        BadDefinitionError: The data do not fit.
    """
    concept, purpose = _text(data, "concept"), _text(data, "purpose")
    clauses = _rows(data, "clauses")
    if "questions" in fields:
        asked = [(_text(row, "question"), _text(row, "answer")) for row in _rows(data, "asked")]
        return drafting.scope(concept, purpose, clauses, asked)
    if "near_miss" in fields:
        return drafting.queries(clauses, concept)
    return mending.refine(clauses, _rows(data, "examples"))


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
