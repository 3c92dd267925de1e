"""Makes the JSON schema of a question, and parses replies into the answer model."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fieldmark.errors import AnswerFault

T = TypeVar("T", bound=BaseModel)

_KEPT = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "description", "enum",
        "exclusiveMaximum", "exclusiveMinimum", "items", "maxItems", "maximum", "minItems", "minimum",
        "pattern", "prefixItems", "properties", "required", "type",
    }
)  # fmt: skip
"""Keywords that strict endpoints accept; the rest (titles, lengths, formats) is checked on reading."""

_MAPS = frozenset({"$defs", "properties"})
_LISTS = frozenset({"allOf", "anyOf", "prefixItems"})
_MOST_TEXT = 400_000
_MOST_FRAGMENTS = 32
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)


class BadAnswerError(Exception):
    """An answer that must be neither adopted nor cached; the question may be asked again.

    Attributes:
        reason: What is wrong with it.
        detail: What was wrong, in words that hold nothing secret and little of the answer.
    """

    def __init__(self, reason: AnswerFault, detail: str) -> None:
        self.reason: AnswerFault = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


@cache
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Gives the model's JSON schema in the form that strict endpoints accept.

    Every object is closed (`additionalProperties: false`) and requires all of its fields; keywords
    outside the common subset are left out, since the answer is validated again on reading.

    Args:
        model: The answer model.

    Returns:
        The schema, the same object for the same model: making it costs more than looking an answer up, and
        every question needs it. Read it only.

    Raises:
        TypeError: If the model has a mapping with free keys, which no strict schema can describe.
    """
    return _strict(model.model_json_schema(), model.__name__)


def _strict(schema: dict[str, Any], where: str) -> dict[str, Any]:
    schema = dict(schema)
    if "oneOf" in schema:  # a tagged union; strict endpoints know anyOf only
        schema["anyOf"] = schema.pop("oneOf")
    result: dict[str, Any] = {}
    for name, part in schema.items():
        if name not in _KEPT:
            continue
        if name in _MAPS:
            result[name] = {key: _strict(value, f"{where}.{key}") for key, value in part.items()}
        elif name in _LISTS:
            result[name] = [_strict(value, where) for value in part]
        elif name == "items" and isinstance(part, dict):
            result[name] = _strict(part, f"{where}[]")
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


def read_answer(text: str, model: type[T]) -> tuple[T, bool]:
    """Reads an answer text into its model, looking inside prose and code fences where need be.

    Args:
        text: What the language model wrote.
        model: The answer model.

    Returns:
        The answer, and whether the text was the bare JSON object (True) or had to be searched (False).

    Raises:
        BadAnswerError: "empty", "malformed" (no JSON object in it) or "off_schema".
    """
    # A lone surrogate cannot be stored or sent on; no real text has one.
    text = text.encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise BadAnswerError("empty", "the text is empty")
    if len(text) > _MOST_TEXT:
        raise BadAnswerError("malformed", f"the text has {len(text):,} characters")
    problem: ValidationError | None = None
    try:
        return model.model_validate_json(text), True
    except ValidationError as error:
        if not _is_syntax(error):
            problem = error
    found: T | None = None
    for fragment in _fragments(text):
        try:
            found = model.model_validate_json(fragment)  # the last one that fits: drafts come first
        except ValidationError as error:
            if not _is_syntax(error):
                problem = error
    if found is not None:
        return found, False
    if problem is not None:
        raise BadAnswerError("off_schema", _in_words(problem))
    raise BadAnswerError("malformed", f"no JSON object in {len(text):,} characters of text")


def _fragments(text: str) -> Iterator[str]:
    """Yields the outermost JSON objects inside a text, in order, after any thinking aloud."""
    text = text.rpartition("</think>")[2]
    fenced = [block.strip() for block in _FENCE.findall(text)]
    sources = fenced or [text]
    decoder = json.JSONDecoder()
    count = 0
    for source in sources:
        at = source.find("{")
        while at != -1 and count < _MOST_FRAGMENTS:
            count += 1
            try:
                _, end = decoder.raw_decode(source, at)
            except (ValueError, RecursionError):
                at = source.find("{", at + 1)
                continue
            yield source[at:end]
            at = source.find("{", end)


def _is_syntax(error: ValidationError) -> bool:
    return any(
        item["type"] == "json_invalid" for item in error.errors(include_input=False, include_url=False)
    )


def _in_words(error: ValidationError) -> str:
    """Names the first few fields that do not fit, without repeating what was in them."""
    items = error.errors(include_input=False, include_url=False, include_context=False)
    words = [
        f"{'.'.join(str(part) for part in item['loc']) or 'answer'}: {item['msg']}" for item in items[:4]
    ]
    more = f"; and {len(items) - 4} more" if len(items) > 4 else ""
    return ("; ".join(words) + more)[:500]
