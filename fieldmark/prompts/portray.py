"""The question that has one question about a class answered in sentences about its photos, and its answer."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import (
    AnswerModel,
    Caption,
    answer_tokens,
    at_most,
    distinct_classes,
)
from fieldmark.prompts.class_questions import question_about
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "portray.v1"
MAX_SENTENCES = 10
"""The most sentences asked for; of more, the first are kept."""


class Portrait(AnswerModel):
    """Sentences that describe what a photo of a class shows, the most telling first."""

    sentences: Annotated[
        list[Caption],
        BeforeValidator(at_most(MAX_SENTENCES)),
        Field(min_length=1, max_length=MAX_SENTENCES, description="One to ten sentences about a photo."),
    ]


def ask_portray(class_name: str, question: str, *, noun: str, sample: int = 0) -> Question[Portrait]:
    """Ask for sentences that answer a question about what photos of a class show.

    Source: Pratt et al. 2023 (CuPL), section 3: generic or data-set-specific questions, ten samples each,
    here in one answer; Mirza et al. 2024 (MPVR), section 3: questions that a model wrote.

    Args:
        class_name: The class, exactly as the user named it.
        question: A question with one place for the class name (`class_questions.PLACE`).
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for ten sentences more, and so on.

    Raises:
        ClassNamesError: If the name is blank.
        InputError: If the question has no place for the name, or more than one.
    """
    about = distinct_classes([class_name], least=1)
    return question_from(
        PROMPT_ID,
        Portrait,
        max_tokens=answer_tokens(class_name, statements=MAX_SENTENCES),
        about=about,
        sample=sample,
        class_name=class_name,
        noun=noun,
        question=question_about(question, class_name),
    )


KIND = QuestionKind(
    name="portray",
    ask=lambda planned: ask_portray(
        planned.class_name, planned.spec.text, noun=planned.noun, sample=planned.spec.sample
    ),
    read=lambda answer, planned, key: AnswerStatements(words=tuple(answer.sentences)),
)
