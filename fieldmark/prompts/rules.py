"""Puts other rules into a rendered question: what stands between its data and the form of its answer.

Question, data and form stay as shipped. Rules are put in once the question's holes are filled: nothing in
them is ever read as a hole.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from fieldmark.errors import InputError
from fieldmark.prompts.loader import load
from fieldmark.records.questions import Question

T = TypeVar("T", bound=BaseModel)

MOST_CHARACTERS = 3000
"""Of the rules of one question; the longest that are shipped have about half of it."""
_FRAME = re.compile(
    r"\A(?P<head>.*\n</data>\n+)(?P<rules>.*?)(?P<tail>\n+Answer with one JSON object.*)\Z", re.DOTALL
)
_STRUCTURE = re.compile(r"</?data>|^Answer with one JSON object", re.IGNORECASE | re.MULTILINE)


def rules_of(prompt_id: str) -> str:
    """The shipped rules of a prompt.

    Raises:
        InputError: There is no such prompt, or it has none.
    """
    found = _FRAME.match(load(prompt_id).user)
    if found is None:
        raise InputError(f"prompt {prompt_id} has no rules to reword.", hint="Choose another one.")
    return found["rules"]


def unusable(rules: str) -> str:
    """Why a text cannot stand for rules; empty where it can."""
    if not rules.strip():
        return "empty"
    if len(rules) > MOST_CHARACTERS:
        return "too long"
    return "breaks the question's frame" if _STRUCTURE.search(rules) else ""


def with_rules(question: Question[T], instructions: Mapping[str, str]) -> Question[T]:
    """The same question with other rules; one whose prompt is not named stays as it is.

    Args:
        question: The question, as rendered from its prompt.
        instructions: Prompt id → rules.

    Raises:
        InputError: The rules cannot be used.
    """
    rules = instructions.get(question.prompt_id)
    if rules is None:
        return question
    if why := unusable(rules):
        raise InputError(
            f"The rules for {question.prompt_id} cannot be used: {why}.",
            hint=f"They are plain text of up to {MOST_CHARACTERS:,} characters, without data or answer form.",
            field="words",
        )
    *before, asked = question.messages
    found = _FRAME.match(asked.content)
    if found is None:  # rendered by somebody else's prompt of that name
        return question
    content = found["head"] + rules.strip() + found["tail"]
    return replace(question, messages=(*before, asked.model_copy(update={"content": content})))
