"""The questions which of a few classes an image shows: by names, examples or a document; and the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import (
    AnswerModel,
    ClassName,
    Percent,
    Prose,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.votes import Spelling
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "choose.v1"
BY_EXAMPLES = "choose_by_examples.v1"
BY_DOCUMENT = "choose_by_document.v1"
NONE = "none"
"""What the answer says where no candidate fits, or the image does not show enough."""


@dataclass(frozen=True)
class DisputedAttribute:
    """An attribute in which candidates differ.

    Attributes:
        attribute: What it is called: "bill colour".
        values: Class name to its value, of the candidates for which one is known.
    """

    attribute: str
    values: Mapping[str, str]


class Choice(AnswerModel):
    """The class that an image shows; the reason comes first, so that it is thought of first."""

    rationale: Annotated[Prose, Field(description="Which marks are seen, and for whom they speak.")]
    choice: Annotated[ClassName, Field(description='The name of one candidate, or "none".')]
    confidence: Percent


def ask_choose(
    image: ImagePart,
    candidates: Sequence[str],
    *,
    noun: str,
    attributes: Sequence[DisputedAttribute] = (),
) -> Question[Choice]:
    """Ask which of a few classes an image shows.

    Raises:
        ClassNamesError: If there are fewer than two candidates, or one is blank or repeated.
    """
    about = distinct_classes(candidates, least=2)
    disputed = [{"attribute": each.attribute, "values": dict(each.values)} for each in attributes]
    return question_from(
        PROMPT_ID,
        Choice,
        max_tokens=_room(about),
        about=about,
        images=(image,),
        candidates=list(about),
        noun=noun,
        marks=disputed,
    )


def ask_choose_by_examples(
    image: ImagePart,
    candidates: Sequence[str],
    examples: Sequence[tuple[str, ImagePart]],
    *,
    noun: str,
) -> Question[Choice]:
    """Ask which of a few classes an image shows, with labelled images before it.

    Args:
        image: The image; it comes last.
        candidates: Class names.
        examples: Names of candidates, each with an image of it.
        noun: The generic word for all classes.

    Raises:
        ClassNamesError: If there are fewer than two candidates, or one is blank or repeated.
    """
    about = distinct_classes(candidates, least=2)
    return question_from(
        BY_EXAMPLES,
        Choice,
        max_tokens=_room(about),
        about=about,
        images=(*(part for _, part in examples), image),
        candidates=list(about),
        noun=noun,
        examples=[name for name, _ in examples],
    )


def ask_choose_by_document(
    image: ImagePart, candidates: Sequence[str], document: str, *, noun: str
) -> Question[Choice]:
    """Ask which of a few classes an image shows, by a labelling document alone.

    Raises:
        ClassNamesError: If there are fewer than two candidates, or one is blank or repeated.
        InputError: If the document is blank.
    """
    about = distinct_classes(candidates, least=2)
    if not document.strip():
        raise InputError("the labelling document is empty.", hint="Give the text of instructions.md.")
    return question_from(
        BY_DOCUMENT,
        Choice,
        max_tokens=_room(about),
        about=about,
        images=(image,),
        candidates=list(about),
        noun=noun,
        document=document,
    )


def chosen(answer: Choice, candidates: Sequence[str]) -> str | None:
    """The candidate that an answer chose, spelled as it was asked; None where it chose none of them.

    Raises:
        ValueError: If it names something that was no candidate.
    """
    name = Spelling(candidates).as_asked(answer.choice.strip())
    if name is None and answer.choice.strip().casefold().rstrip(".") != NONE:
        raise ValueError("the answer names no candidate")
    return name


def _room(candidates: Sequence[str]) -> int:
    return 400 + max(len(name.encode("utf-8", "replace")) for name in candidates)
