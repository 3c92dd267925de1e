"""The question for the visible attribute values of one class, and its answer."""

from typing import Annotated

from pydantic import Field

from fieldmark.prompts.answer_fields import (
    SIX,
    AnswerModel,
    Phrase,
    answer_tokens,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "describe.v1"


class Descriptors(AnswerModel):
    """The visible marks of one class, the most telling first."""

    descriptors: Annotated[
        list[Phrase], *SIX, Field(description='One to six noun phrases that fit "which has ...".')
    ]


def ask_describe(class_name: str, *, noun: str, sample: int = 0) -> Question[Descriptors]:
    """Ask which attribute values to look for in photos of a class.

    Args:
        class_name: The class, exactly as the user named it.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If the name is blank.
    """
    about = distinct_classes([class_name], least=1)
    return question_from(
        PROMPT_ID,
        Descriptors,
        max_tokens=answer_tokens(statements=6),
        about=about,
        sample=sample,
        class_name=class_name,
        noun=noun,
    )


KIND = QuestionKind(
    name="describe",
    ask=lambda planned: ask_describe(planned.class_name, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: AnswerStatements(descriptors=tuple(answer.descriptors)),
)
