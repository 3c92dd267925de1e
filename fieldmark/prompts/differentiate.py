"""The question for the attributes that set two classes apart, and its answer."""

from typing import Annotated

from pydantic import Field

from fieldmark.prompts.answer_fields import (
    FIVE,
    AnswerModel,
    AttributeName,
    Caption,
    Phrase,
    answer_tokens,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import PlannedQuestion, QuestionKind
from fieldmark.prompts.votes import StatedValue, votes_of
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "differentiate.v1"


class Difference(AnswerModel):
    """One attribute with its value and a photo caption for either class."""

    attribute: Annotated[AttributeName, Field(description="Part and property, e.g. bill colour.")]
    first_value: Annotated[Phrase, Field(description="Value of the first class.")]
    second_value: Annotated[Phrase, Field(description="Value of the second class.")]
    first_caption: Annotated[Caption, Field(description='"A photo of a <first>, which has <value>."')]
    second_caption: Annotated[Caption, Field(description='"A photo of a <second>, which has <value>."')]


class Differences(AnswerModel):
    """The attributes that set two classes apart, the most telling first."""

    differences: Annotated[list[Difference], *FIVE, Field(description="One to five attributes.")]


def ask_differentiate(first: str, second: str, *, noun: str, sample: int = 0) -> Question[Differences]:
    """Ask which visible attributes set two classes apart (FuDD's question).

    The order of the two classes is part of the question: sort a pair before asking, so that it is
    asked and paid for once.

    Args:
        first: One class, exactly as the user named it.
        second: The other class.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If a name is blank or both are the same.
    """
    about = distinct_classes([first, second], least=2)
    return question_from(
        PROMPT_ID,
        Differences,
        max_tokens=answer_tokens(first, second, statements=5),
        about=about,
        sample=sample,
        first=first,
        second=second,
        noun=noun,
    )


def _read(answer: Differences, planned: PlannedQuestion, key: str) -> AnswerStatements:
    first, second = planned.pair
    stated = [
        statement
        for each in answer.differences
        for statement in (
            StatedValue(first, each.attribute, each.first_value, each.first_caption),
            StatedValue(second, each.attribute, each.second_value, each.second_caption),
        )
    ]
    return votes_of(stated, classes=planned.spec.classes, source=key)


KIND = QuestionKind(
    name="pair",
    ask=lambda planned: ask_differentiate(*planned.pair, noun=planned.noun, sample=planned.spec.sample),
    read=_read,
)
