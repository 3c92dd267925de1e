"""The question how an image is to be labelled by an instruction document alone, and its answer."""

from typing import Annotated, Literal

from pydantic import Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import AnswerModel, Confidence, Prose
from fieldmark.prompts.loader import question_from
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "judge_by_document.v1"


class DocumentLabel(AnswerModel):
    """The label that the document asks for; the reason comes first, so that it is thought of first."""

    rationale: Annotated[Prose, Field(description="What decides it, in one or two sentences.")]
    label: Literal["in", "out", "unsure"]
    confidence: Confidence


def ask_judge_by_document(image: ImagePart, document: str) -> Question[DocumentLabel]:
    """Ask how a document says that an image is to be labelled.

    Raises:
        InputError: If the document is blank.
    """
    if not document.strip():
        raise InputError("the labelling document is empty.", hint="Give the text of instructions.md.")
    return question_from(PROMPT_ID, DocumentLabel, max_tokens=400, images=(image,), document=document)
