"""The question what a definition leaves unclear about an image, and its answer."""

from typing import Annotated, Literal

from pydantic import Field

from fieldmark.prompts.answer_fields import THREE, AnswerModel, AttributeName
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Definition
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "gap.v1"


class Gap(AnswerModel):
    """One thing that the clauses leave unclear."""

    gap: Annotated[AttributeName, Field(description="A short noun phrase.")]


class Gaps(AnswerModel):
    """What the clauses leave unclear about an image, the likeliest first."""

    gaps: Annotated[list[Gap], *THREE, Field(description="One to three gaps.")]


def ask_gap(
    image: ImagePart,
    definition: Definition,
    *,
    concept: str,
    purpose: str,
    call: Literal["in", "out"],
    seen: str,
) -> Question[Gaps]:
    """Ask why the owner might disagree with what the clauses make of an image.

    Args:
        image: The image.
        definition: The clauses; the question holds the active ones.
        concept: The concept's name.
        purpose: What it is for, in the owner's words; may be empty.
        call: What the clauses make of the image.
        seen: What the annotator saw in it; may be empty.
    """
    return question_from(
        PROMPT_ID,
        Gaps,
        max_tokens=300,
        images=(image,),
        concept=concept,
        purpose=purpose,
        clauses=definition_data(definition),
        call=call,
        seen=seen,
    )
