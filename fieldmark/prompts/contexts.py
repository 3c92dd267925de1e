"""The question for what varies between photos of any class, and what is read out of its answer."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from fieldmark.prompts.answer_fields import (
    FIVE,
    AnswerModel,
    AttributeName,
    Word,
    at_most,
    distinct_classes,
    evenly_spaced,
)
from fieldmark.prompts.distinct_texts import distinct_texts
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import plain_form
from fieldmark.records import ContextFactor, ContextValue
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "contexts.v1"
MAX_NAMES = 60
"""The most class names that the question lists; of more, evenly spaced ones."""
MAX_VALUES = 8
MAX_PHRASES = 3


class ContextOption(AnswerModel):
    """One value of a factor, in one to three wordings."""

    value: Annotated[AttributeName, Field(description="What the value is called.")]
    phrases: Annotated[
        list[Word],
        BeforeValidator(at_most(MAX_PHRASES)),
        Field(
            min_length=1,
            max_length=MAX_PHRASES,
            description='Phrases that fit "a photo of a <class>, ...", the plainest first.',
        ),
    ]


class Factor(AnswerModel):
    """Something that varies from photo to photo, with the values that it takes."""

    factor: Annotated[AttributeName, Field(description="What varies, e.g. background.")]
    values: Annotated[
        list[ContextOption],
        BeforeValidator(at_most(MAX_VALUES)),
        Field(min_length=2, max_length=MAX_VALUES, description="Two to eight values."),
    ]


class Contexts(AnswerModel):
    """The factors in which photos differ, those that change a photo most first; at least one is of use."""

    factors: Annotated[list[Factor], *FIVE, Field(description="One to five factors.")]

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if not contexts_of(self).contexts:
            raise ValueError("no factor has two different values")
        return self


def ask_contexts(classes: Sequence[str], *, noun: str, sample: int = 0) -> Question[Contexts]:
    """Ask what varies from photo to photo of a task's classes, and how it is worded.

    Source: An et al. 2024 (PerceptionCLIP), whose contextual attributes, their values and synonyms a language
    model may list.

    Args:
        classes: One or more class names; of more than `MAX_NAMES`, evenly spaced ones are listed.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there is no class, or one is blank or repeated.
    """
    listed = evenly_spaced(distinct_classes(classes, least=1), MAX_NAMES)
    return question_from(
        PROMPT_ID, Contexts, max_tokens=3000, about=listed, sample=sample, classes=list(listed), noun=noun
    )


def contexts_of(answer: Contexts) -> AnswerStatements:
    """Read the factors of an answer.

    A second factor of the same name is dropped and counted, as is a phrase that its factor has already (two
    values that are worded alike cannot be told apart), a second value of the same name, and a factor that is
    left with fewer than two values.
    """
    dropped: Counter[str] = Counter()
    factors: dict[str, ContextFactor] = {}
    for factor in answer.factors:
        if plain_form(factor.factor) in factors:
            dropped["repeated_factor"] += 1
            continue
        values = _values(factor, dropped)
        if len(values) < 2:
            dropped["lone_value"] += 1
        else:
            factors[plain_form(factor.factor)] = ContextFactor(name=factor.factor, values=values)
    return AnswerStatements(contexts=tuple(factors.values()), dropped=dict(dropped))


def _values(factor: Factor, dropped: Counter[str]) -> tuple[ContextValue, ...]:
    names: set[str] = set()
    said: set[str] = set()
    values: list[ContextValue] = []
    for option in factor.values:
        if plain_form(option.value) in names:
            dropped["repeated_value"] += 1
            continue
        fresh = distinct_texts(
            option.phrases, lambda text: "said" if plain_form(text) in said else None
        ).words
        if len(fresh) < len(option.phrases):
            dropped["repeated_phrase"] += len(option.phrases) - len(fresh)
        if fresh:
            names.add(plain_form(option.value))
            said.update(map(plain_form, fresh))
            values.append(ContextValue(name=option.value, phrases=fresh))
    return tuple(values)


KIND = QuestionKind(
    name="contexts",
    ask=lambda planned: ask_contexts(planned.spec.classes, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: contexts_of(answer),
)
