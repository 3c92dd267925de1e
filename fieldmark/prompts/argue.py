"""The request to argue one side of whether an image belongs to a concept, and its answer."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fieldmark.prompts.answer_fields import AnswerModel, Prose, temperature_of
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.loader import load, with_image
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
    sample: int = 0,
) -> Question[Argument]:
    """Ask for what speaks for an image being in, or out.

    Args:
        image: The image.
        definition: The clauses; active ones are shown.
        concept: The concept's name.
        purpose: What it is for, in the owner's words; may be empty.
        side: The side to argue.
        sample: 0 for the first answer, 1 for a second opinion, and so on.
    """
    messages = load(PROMPT_ID).render(
        concept=concept, purpose=purpose, clauses=definition_data(definition), side=side
    )
    return Question(
        prompt_id=PROMPT_ID,
        messages=with_image(messages, image),
        answer_model=Argument,
        temperature=temperature_of(sample),
        max_tokens=400,
        sample=sample,
    )
