"""Reads the text of an answer into its answer model."""

import json
import re
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fieldmark.errors import AnswerFault
from fieldmark.tools.llm.thinking import UnfinishedThoughtError, without_thinking

T = TypeVar("T", bound=BaseModel)

_MOST_TEXT = 400_000
_MOST_LOOKED_AT = 64
"""Objects read from the end of a text; an answer is not followed by more."""
_MOST_BROKEN = 256
"""Braces that open no object; each may cost a look at the rest of the text."""
_BEGUN = re.compile(r'\{\s*"[^"\n]*"\s*:')


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


def read_answer(text: str, model: type[T]) -> tuple[T, bool]:
    """Reads an answer text into its model: the last object in it that fits, outside of any thinking.

    Returns:
        The answer, and whether the text was the bare JSON object (True) or had to be searched (False).

    Raises:
        BadAnswerError: "empty", "truncated" (its thinking has no end), "malformed" (no JSON object in it) or
            "off_schema".
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
    try:
        visible = without_thinking(text)
    except UnfinishedThoughtError:
        raise BadAnswerError("truncated", "its thinking has no end") from None
    if not visible.strip():
        raise BadAnswerError("empty", "it thought and said nothing")
    for fragment in islice(
        reversed(_objects(visible)), _MOST_LOOKED_AT
    ):  # the last that fits: drafts come first
        try:
            return model.model_validate_json(fragment), False
        except ValidationError as error:
            if problem is None and not _is_syntax(error):
                problem = error
    if problem is not None:
        raise BadAnswerError("off_schema", _in_words(problem))
    raise BadAnswerError("malformed", f"no JSON object in {len(text):,} characters of text")


def _objects(text: str) -> list[str]:
    """The outermost JSON objects inside a text, in order.

    None where the text ends within an object: what stands before it are drafts.
    """
    decoder = json.JSONDecoder(strict=False)  # weak models write line breaks into strings as they are
    found: list[str] = []
    broken = 0
    last = len(text.rstrip())
    at = text.find("{")
    while at != -1:
        try:
            data, end = decoder.raw_decode(text, at)
            found.append(json.dumps(data))
        except (ValueError, RecursionError) as error:
            broken += 1
            if broken > _MOST_BROKEN or (_BEGUN.match(text, at) and _ran_out(error, last)):
                return []
            at = text.find("{", at + 1)
            continue
        at = text.find("{", end)
    return found


def _ran_out(error: Exception, last: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (
        error.pos >= last or error.msg.startswith("Unterminated string")
    )


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
