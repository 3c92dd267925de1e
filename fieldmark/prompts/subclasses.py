"""The question for the kinds that a class has, and its answer."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import (
    AnswerModel,
    KindName,
    answer_tokens,
    at_most,
    distinct_classes,
)
from fieldmark.prompts.distinct_texts import distinct_texts
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import plain_form
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "subclasses.v1"
MAX_SUBCLASSES = 10
"""The most kinds asked for; of more, the first are kept."""


class Subclasses(AnswerModel):
    """The kinds of a class, the most usual first."""

    subclasses: Annotated[
        list[KindName],
        BeforeValidator(at_most(MAX_SUBCLASSES)),
        Field(
            min_length=1,
            max_length=MAX_SUBCLASSES,
            description='One to ten names that fit "a photo of a ...".',
        ),
    ]


def ask_subclasses(class_name: str, *, noun: str, sample: int = 0) -> Question[Subclasses]:
    """Ask for the kinds of a class.

    Source: Novack et al. 2023 (CHiLS), section 3: ten sub-classes a class where no hierarchy is given.

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
        Subclasses,
        max_tokens=answer_tokens(class_name, statements=MAX_SUBCLASSES),
        about=about,
        sample=sample,
        class_name=class_name,
        noun=noun,
    )


def subclasses_of(answer: Subclasses, class_name: str) -> AnswerStatements:
    """The kinds that an answer names, each once, without the class itself ("class_itself" counts it).

    There may be none. That a class is one of its own kinds is the method's to say, not the answer's.
    """
    itself = plain_form(class_name)
    return distinct_texts(
        answer.subclasses, lambda text: "class_itself" if plain_form(text) == itself else None
    )


KIND = QuestionKind(
    name="subclasses",
    ask=lambda planned: ask_subclasses(planned.class_name, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: subclasses_of(answer, planned.class_name),
)
