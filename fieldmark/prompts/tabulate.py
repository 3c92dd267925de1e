"""The question for one row of the class × attribute table, and its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import (
    AnswerModel,
    AttributeName,
    Phrase,
    answer_tokens,
    at_most,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import PlannedQuestion, QuestionKind
from fieldmark.prompts.votes import StatedValue, votes_of
from fieldmark.records._base import Record
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "tabulate.v1"
MAX_ATTRIBUTES = 64
"""The most attributes of one question: longer rows are asked in parts."""
MOST_VALUES = 12
"""The most values of an attribute that a planned question offers for reuse."""


class SeenValues(Record):
    """The attributes of the table with the values seen so far, the most voted first."""

    values: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class TabulateAttribute:
    """An attribute to fill in.

    Attributes:
        name: What it is called.
        values: Values that other classes were given for it, as noun phrases; may be empty.
    """

    name: str
    values: tuple[str, ...] = ()


class Entry(AnswerModel):
    """The value of one attribute."""

    attribute: Annotated[AttributeName, Field(description="An attribute of the list, copied exactly.")]
    value: Annotated[Phrase, Field(description='A noun phrase that fits "which has ...", or "unclear".')]


class TableRow(AnswerModel):
    """What one class looks like, attribute by attribute; an entry that is left out counts as unclear."""

    entries: Annotated[
        list[Entry],
        BeforeValidator(at_most(MAX_ATTRIBUTES)),
        Field(min_length=1, max_length=MAX_ATTRIBUTES, description="One entry for each attribute."),
    ]


def ask_tabulate(
    class_name: str, attributes: Sequence[TabulateAttribute], *, noun: str, sample: int = 0
) -> Question[TableRow]:
    """Ask for the values of one class over the attributes found so far.

    Args:
        class_name: The class, exactly as the user named it.
        attributes: 1 to `MAX_ATTRIBUTES` attributes of distinct names.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If the class name is blank.
        InputError: If there are no attributes, too many, or one is named twice.
    """
    about = distinct_classes([class_name], least=1)
    names = [attribute.name for attribute in attributes]
    if not 1 <= len(names) <= MAX_ATTRIBUTES or len(set(names)) < len(names):
        raise InputError(
            f"a row is asked for 1 to {MAX_ATTRIBUTES} distinct attributes, not {len(names)} "
            f"of which {len(set(names))} are distinct.",
            hint="Name each attribute once, and ask longer rows in parts.",
        )
    listed = [{"name": a.name, "values_seen": list(a.values)} for a in attributes]
    return question_from(
        PROMPT_ID,
        TableRow,
        max_tokens=answer_tokens(statements=len(names)),
        about=about,
        sample=sample,
        class_name=class_name,
        attributes=listed,
        noun=noun,
    )


def _ask(planned: PlannedQuestion) -> Question[TableRow]:
    seen = SeenValues.model_validate(planned.material).values
    attributes = [
        TabulateAttribute(name, seen.get(name, ())[:MOST_VALUES]) for name in planned.spec.attributes
    ]
    return ask_tabulate(planned.class_name, attributes, noun=planned.noun, sample=planned.spec.sample)


def _read(answer: TableRow, planned: PlannedQuestion, key: str) -> AnswerStatements:
    name, spec = planned.class_name, planned.spec
    stated = [StatedValue(name, entry.attribute, entry.value) for entry in answer.entries]
    return votes_of(stated, classes=spec.classes, source=key, attributes=spec.attributes)


KIND = QuestionKind(name="tabulate", ask=_ask, read=_read)
