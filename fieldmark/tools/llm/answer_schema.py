"""Makes the JSON schemas of an answer model: a strict one for cache keys, and a bounded one to send."""

from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel

_KEPT = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "description", "enum",
        "exclusiveMaximum", "exclusiveMinimum", "items", "maxItems", "maximum", "minItems", "minimum",
        "pattern", "prefixItems", "properties", "required", "type",
    }
)  # fmt: skip
"""Keywords that strict endpoints accept; the rest (titles, lengths, formats) is checked on reading."""
WITH_NAME = "x-with-name"
"""Keyword of an answer model's string that repeats a class name, beyond its `maxLength`; it is not sent."""
RANGE = "x-range"
"""Keyword of an answer model's whole number: the least and the most of it, sent as `minimum`, `maximum`."""
_BOUNDS = frozenset({"maxLength", WITH_NAME, RANGE})
_MAPS = frozenset({"$defs", "properties"})
_LISTS = frozenset({"allOf", "anyOf", "prefixItems"})
MOST_CHARACTERS = 400
"""Bound of a string whose answer model has none of its own."""
UNKNOWN_NAME = 1000
"""Room for a class name of which nothing is known."""


@cache
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Gives the model's JSON schema in the form that strict endpoints accept.

    Every object is closed (`additionalProperties: false`) and requires all of its fields; keywords
    outside the common subset are left out, since the answer is validated again on reading. It is part of a
    question's cache key.

    Returns:
        The schema, the same object for the same model: making it costs more than looking an answer up, and
        every question needs it. Read it only.

    Raises:
        TypeError: If the model has a mapping with free keys, which no strict schema can describe.
    """
    return _strict(model.model_json_schema(), model.__name__, _KEPT)


@lru_cache(maxsize=256)
def bounded_schema(model: type[BaseModel], *, items: int, name: int | None = None) -> dict[str, Any]:
    """Gives the strict schema with an end for every string, list and number, so that a grammar ends them.

    A weak model that is held to a schema writes the first string for ever, or a number. Bounds are the answer
    model's own (`maxLength`, `maxItems`) where it has some. They are no part of a question: only of how it is
    put.

    Args:
        model: The answer model.
        items: Bound of a list that has none of its own.
        name: Characters of the longest class name that the answer may repeat; `None` where it is not known.

    Returns:
        The schema; read it only.
    """
    return _bounded(_strict(model.model_json_schema(), model.__name__, _KEPT | _BOUNDS), items, name)


def _strict(schema: dict[str, Any], where: str, kept: frozenset[str]) -> dict[str, Any]:
    schema = dict(schema)
    if "oneOf" in schema:  # a tagged union; strict endpoints know anyOf only
        schema["anyOf"] = schema.pop("oneOf")
    result: dict[str, Any] = {}
    for name, part in schema.items():
        if name not in kept:
            continue
        if name in _MAPS:
            result[name] = {key: _strict(value, f"{where}.{key}", kept) for key, value in part.items()}
        elif name in _LISTS:
            result[name] = [_strict(value, where, kept) for value in part]
        elif name == "items" and isinstance(part, dict):
            result[name] = _strict(part, f"{where}[]", kept)
        else:
            result[name] = part
    if schema.get("type") == "object":
        free = schema.get("additionalProperties", False)
        if isinstance(free, dict) or (free and "properties" not in schema):
            raise TypeError(f"{where} is a mapping with free keys; use a list of records in an answer model.")
        result["properties"] = result.get("properties", {})
        result["required"] = list(result["properties"])
        result["additionalProperties"] = False
    return result


def _bounded(schema: dict[str, Any], items: int, name_length: int | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, part in schema.items():
        if name in _MAPS:
            result[name] = {key: _bounded(value, items, name_length) for key, value in part.items()}
        elif name in _LISTS:
            result[name] = [_bounded(value, items, name_length) for value in part]
        elif name == "items" and isinstance(part, dict):
            result[name] = _bounded(part, items, name_length)
        else:
            result[name] = part
    if schema.get("type") == "string" and not {"enum", "const", "pattern"} & schema.keys():
        result.setdefault("maxLength", max(MOST_CHARACTERS, name_length or 0))
        if result.pop(WITH_NAME, False):
            result["maxLength"] += UNKNOWN_NAME if name_length is None else name_length
    if RANGE in result:
        result["minimum"], result["maximum"] = result.pop(RANGE)
    if schema.get("type") == "array" and "items" in schema:
        result.setdefault("maxItems", max(items, schema.get("minItems", 0)))
    return result
