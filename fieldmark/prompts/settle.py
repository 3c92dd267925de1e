"""The question who is right after both sides were argued, and its answer."""

from typing import Annotated, Literal

from pydantic import Field

from fieldmark.prompts.answer_fields import AnswerModel, Confidence, Prose
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Definition
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "settle.v1"


class Settlement(AnswerModel):
    """Which side is right; the reason comes first, so that it is thought of first."""

    rationale: Annotated[Prose, Field(description="What decides it, in one or two sentences.")]
    side: Literal["in", "out", "cannot_tell"]
    confidence: Confidence


def ask_settle(
    image: ImagePart,
    definition: Definition,
    *,
    concept: str,
    purpose: str,
    for_in: str,
    for_out: str,
) -> Question[Settlement]:
    """Ask whether an image belongs to a concept, given an argument for either side.

    Args:
        image: The image.
        definition: The clauses; the question holds the active ones.
        concept: The concept's name.
        purpose: What it is for, in the owner's words; may be empty.
        for_in: The argument for "in".
        for_out: The argument for "out".
    """
    return question_from(
        PROMPT_ID,
        Settlement,
        max_tokens=400,
        images=(image,),
        concept=concept,
        purpose=purpose,
        clauses=definition_data(definition),
        for_in=for_in,
        for_out=for_out,
    )
