"""The question how an image is to be labelled by an instruction document alone, and its answer."""

from typing import Annotated, Literal

from pydantic import Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import AnswerModel, Confidence, Prose, temperature_of
from fieldmark.prompts.loader import load, with_image
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "judge_by_document.v1"


class DocumentLabel(AnswerModel):
    """The label that the document asks for; the reason comes first, so that it is thought of first."""

    rationale: Annotated[Prose, Field(description="What decides it, in one or two sentences.")]
    label: Literal["in", "out", "unsure"]
    confidence: Confidence


def ask_judge_by_document(image: ImagePart, document: str, *, sample: int = 0) -> Question[DocumentLabel]:
    """Ask how a document says that an image is to be labelled.

    Args:
        image: The image.
        document: The whole text of the document.
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        InputError: If the document is blank.
    """
    if not document.strip():
        raise InputError("the labelling document is empty.", hint="Give the text of instructions.md.")
    return Question(
        prompt_id=PROMPT_ID,
        messages=with_image(load(PROMPT_ID).render(document=document), image),
        answer_model=DocumentLabel,
        temperature=temperature_of(sample),
        max_tokens=400,
        sample=sample,
    )
