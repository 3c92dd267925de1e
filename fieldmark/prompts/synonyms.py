"""The question for other words that a caption would use for a class, and its answer."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import (
    AnswerModel,
    Word,
    answer_tokens,
    at_most,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "synonyms.v1"
MAX_SYNONYMS = 6
"""The most words asked for; of more, the first are kept."""


class Synonyms(AnswerModel):
    """What else a class is called, the most usual first; there may be no other word."""

    synonyms: Annotated[
        list[Word],
        BeforeValidator(at_most(MAX_SYNONYMS)),
        Field(max_length=MAX_SYNONYMS, description='Up to six words or phrases that fit "a photo of a ...".'),
    ]


def ask_synonyms(class_name: str, *, noun: str, sample: int = 0) -> Question[Synonyms]:
    """Ask what else an ordinary photo caption would call a class.

    Source: Qu et al. 2025 (ProAPO), whose class-specific prompts are made of synonyms and descriptions.

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
        Synonyms,
        max_tokens=answer_tokens(statements=MAX_SYNONYMS),
        about=about,
        sample=sample,
        class_name=class_name,
        noun=noun,
    )


KIND = QuestionKind(
    name="synonyms",
    ask=lambda planned: ask_synonyms(planned.class_name, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: AnswerStatements(words=tuple(answer.synonyms)),
)
