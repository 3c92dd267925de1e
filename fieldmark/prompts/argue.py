"""The request to argue one side of whether an image belongs to a concept, and its answer."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fieldmark.prompts.answer_fields import AnswerModel, Prose
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Definition
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "argue.v1"


def _said(text: str) -> str:
    if not text:
        raise ValueError("the argument is empty")
    return text


class Argument(AnswerModel):
    """What speaks for one side."""

    argument: Annotated[Prose, AfterValidator(_said), Field(description="Two or three sentences.")]


def ask_argue(
    image: ImagePart,
    definition: Definition,
    *,
    concept: str,
    purpose: str,
    side: Literal["in", "out"],
) -> Question[Argument]:
    """Ask for what speaks for an image being in, or out.

    Args:
        image: The image.
        definition: The clauses; the question holds the active ones.
        concept: The concept's name.
        purpose: What it is for, in the owner's words; may be empty.
        side: The side to argue.
    """
    return question_from(
        PROMPT_ID,
        Argument,
        max_tokens=400,
        images=(image,),
        concept=concept,
        purpose=purpose,
        clauses=definition_data(definition),
        side=side,
    )
