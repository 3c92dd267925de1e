"""The question for the generic word that fits all classes, and its answer."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from fieldmark.prompts.answer_fields import AnswerModel, distinct_classes, evenly_spaced, sent_bound
from fieldmark.prompts.loader import question_from
from fieldmark.records.questions import Question

PROMPT_ID = "noun.v1"
MAX_NAMES = 60
"""The most class names that the question lists; of more, evenly spaced ones."""
_ARTICLE = re.compile(r"^(?:a|an|the)(?:\s+|$)")


def _noun(text: str) -> str:
    text = " ".join(text.split()).strip(" .").lower()
    text = _ARTICLE.sub("", text)
    if not text or len(text) > 60:
        raise ValueError("the noun must have 1 to 60 characters")
    return text


class Noun(AnswerModel):
    """The generic word for all classes."""

    noun: Annotated[
        str,
        AfterValidator(_noun),
        sent_bound(60),
        Field(description="One or two words, singular, without article."),
    ]


def ask_noun(classes: Sequence[str]) -> Question[Noun]:
    """Ask which generic noun fits all classes ("bird", "dish").

    Args:
        classes: One or more class names; of more than `MAX_NAMES`, evenly spaced ones are listed.

    Raises:
        ClassNamesError: If there is none, or one is blank or repeated.
    """
    listed = evenly_spaced(distinct_classes(classes, least=1), MAX_NAMES)
    return question_from(PROMPT_ID, Noun, max_tokens=200, about=listed, classes=list(listed))
