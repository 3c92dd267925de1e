"""The question which yes/no questions about an image split a set of classes, and its answer."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import (
    MAX_LENGTH,
    AnswerModel,
    distinct_classes,
    limited_text,
    sent_bound,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.votes import Spelling, plain_form
from fieldmark.records.questions import Question

PROMPT_ID = "aspects.v1"
MOST_CLASSES = 24
"""The most classes of one question: each of their names may come back with each statement."""

_ROOM = 16_000
"""The most tokens of an answer: a question asks for as many statements as fit in."""
_SPACED = re.compile(r"\s+(?=[.,;:!?])")


class WrittenAspect(AnswerModel):
    """One yes/no question, as a statement."""

    statement: Annotated[
        str,
        AfterValidator(limited_text(MAX_LENGTH)),
        sent_bound(MAX_LENGTH),
        Field(description="A statement about what an image shows."),
    ]
    classes: Annotated[list[str], Field(description="Classes that it holds for, copied exactly.")]


class WrittenAspects(AnswerModel):
    """The yes/no questions, the most telling first."""

    aspects: Annotated[list[WrittenAspect], Field(description="One entry for each statement.")]


@dataclass(frozen=True)
class ReadAspects:
    """What is of use in an answer.

    Attributes:
        holds: Statement → the classes that it is said to hold for.
        dropped: Statements and names that could not be used, by reason.
    """

    holds: dict[str, tuple[str, ...]]
    dropped: dict[str, int]


def ask_aspects(classes: Sequence[str], *, noun: str, most: int, sample: int = 0) -> Question[WrittenAspects]:
    """Ask for yes/no questions that split a set of classes.

    Source: Lee et al. 2025, "Multi-aspect Knowledge Distillation with Large Language Model", section 3.1.

    Args:
        classes: Two to `MOST_CLASSES` classes, exactly as the user named them.
        noun: The generic word for all classes, e.g. "bird".
        most: The most questions; fewer are asked for where the answer would take more than `_ROOM` tokens.
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there are too few classes, or one is blank or repeated.
        InputError: If there are too many, or no question is wanted.
    """
    about = distinct_classes(classes, least=2)
    if len(about) > MOST_CLASSES or most < 1:
        raise InputError(
            f"one question is about at most {MOST_CLASSES} classes and 1 aspect or more, not about "
            f"{len(about)} and {most}.",
            hint="Ask about the classes in parts.",
        )
    each = 60 + sum(10 + len(name.encode("utf-8", "replace")) // 2 for name in about)
    most = min(most, max(1, (_ROOM - 300) // each))
    return question_from(
        PROMPT_ID,
        WrittenAspects,
        max_tokens=min(_ROOM, 300 + most * each),
        about=about,
        sample=sample,
        classes=list(about),
        noun=noun,
        most=most,
    )


def aspects_of(answer: WrittenAspects, classes: Sequence[str], *, most: int) -> ReadAspects:
    """Read the statements of an answer, and hold it to its question.

    Dropped and counted are statements that name a class (whoever looks at an image must not need to know
    it), that hold for all classes or for none, that are repeated, and those beyond `most`; of names in
    their lists those that were not asked about.

    Args:
        answer: The validated answer.
        classes: The classes of the question.
        most: The most statements.
    """
    spelling = Spelling(classes)
    names = re.compile("|".join(_named(plain_form(name)) for name in classes))
    holds: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    dropped: Counter[str] = Counter()
    for entry in answer.aspects:
        statement = _SPACED.sub("", entry.statement)
        plain = plain_form(statement).rstrip(" .")
        known = [spelling.as_asked(name) for name in entry.classes]
        dropped["unlisted_class"] += known.count(None)
        held = tuple(name for name in classes if name in known)
        if names.search(plain):
            dropped["names_a_class"] += 1
        elif not 0 < len(held) < len(classes):
            dropped["splits_nothing"] += 1
        elif plain in seen:
            dropped["repeated"] += 1
        elif len(holds) == most:
            dropped["too_many"] += 1
        else:
            seen.add(plain)
            holds[statement] = held
    return ReadAspects(holds, dict(+dropped))


def _named(name: str) -> str:
    """A pattern of a class's name in a statement.

    A short word ("a", "red") may stand for itself: it names the class only as a noun that ends a phrase.
    """
    whole = rf"(?<!\w){re.escape(name)}(?!\w)"
    short = name.isascii() and name.isalpha() and len(name) < 4
    return rf"\b(?:an?|the|like) {whole}(?=[.,;:!?]|$)" if short else whole
