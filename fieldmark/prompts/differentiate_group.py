"""The question for the attributes that split a group of look-alikes, and its answer."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from fieldmark.prompts.answer_fields import (
    SIX,
    AnswerModel,
    AttributeName,
    ClassName,
    Phrase,
    answer_tokens,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import StatedValue, votes_of
from fieldmark.records.questions import Question

PROMPT_ID = "differentiate_group.v1"


class ClassValue(AnswerModel):
    """The value of one class."""

    class_name: Annotated[ClassName, Field(description="A class of the list, copied exactly.")]
    value: Annotated[Phrase, Field(description='A noun phrase that fits "which has ...", or "unclear".')]


class GroupDifference(AnswerModel):
    """One attribute with its value for every class of the group."""

    attribute: Annotated[AttributeName, Field(description="Part and property, e.g. bill colour.")]
    values: Annotated[list[ClassValue], Field(min_length=1, description="One value for each class.")]


class GroupDifferences(AnswerModel):
    """The attributes that split a group, the most telling first."""

    differences: Annotated[list[GroupDifference], *SIX, Field(description="One to six attributes.")]


def ask_differentiate_group(
    classes: Sequence[str], *, noun: str, sample: int = 0
) -> Question[GroupDifferences]:
    """Ask which visible attributes split a group of rivals, with every member's value.

    Args:
        classes: Two or more classes, exactly as the user named them; their order is part of the
            question.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there are fewer than two, or one is blank or repeated.
    """
    about = distinct_classes(classes, least=2)
    return question_from(
        PROMPT_ID,
        GroupDifferences,
        max_tokens=answer_tokens(*classes, statements=6),
        about=about,
        sample=sample,
        classes=list(classes),
        noun=noun,
    )


def group_statements(answer: GroupDifferences) -> list[StatedValue]:
    """The statements of an answer about a group, in its order."""
    return [
        StatedValue(value.class_name, difference.attribute, value.value)
        for difference in answer.differences
        for value in difference.values
    ]


KIND = QuestionKind(
    name="group",
    ask=lambda planned: ask_differentiate_group(
        planned.spec.classes, noun=planned.noun, sample=planned.spec.sample
    ),
    read=lambda answer, planned, key: votes_of(
        group_statements(answer), classes=planned.spec.classes, source=key
    ),
)
