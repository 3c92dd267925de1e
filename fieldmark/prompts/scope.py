"""The question that drafts or revises a concept's clauses and lists what is still open, and its answer."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import AnswerModel, at_most, limited_text, sent_bound
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Clause, ClauseRole
from fieldmark.records.questions import Question

PROMPT_ID = "scope.v1"
MAX_CLAUSES = 8
MAX_QUESTIONS = 8
MAX_OPTIONS = 4

Sentence = Annotated[str, AfterValidator(limited_text(300)), sent_bound(300)]
"""One clause or question."""
ShortText = Annotated[str, AfterValidator(limited_text(120)), sent_bound(120)]
"""A noun phrase or an option."""


class DraftedClause(AnswerModel):
    """A clause without an id."""

    role: Annotated[ClauseRole, Field(description="necessary, positive or negative.")]
    text: Annotated[Sentence, Field(description="One sentence about what an image shows.")]


class OpenQuestion(AnswerModel):
    """A question to the owner."""

    question: Annotated[Sentence, Field(description="One question in plain words.")]
    about: Annotated[ShortText, Field(description="A noun phrase that finds images for it.")]
    options: Annotated[
        list[ShortText],
        BeforeValidator(at_most(MAX_OPTIONS)),
        Field(max_length=MAX_OPTIONS, description="Two to four answers that settle it."),
    ]


class Scope(AnswerModel):
    """A definition, and what is open about it."""

    clauses: Annotated[
        list[DraftedClause],
        BeforeValidator(at_most(MAX_CLAUSES)),
        Field(min_length=1, max_length=MAX_CLAUSES, description="One to eight clauses."),
    ]
    questions: Annotated[
        list[OpenQuestion],
        BeforeValidator(at_most(MAX_QUESTIONS)),
        Field(max_length=MAX_QUESTIONS, description="Open questions, the most important first."),
    ]


def ask_scope(
    concept: str, *, purpose: str, clauses: Sequence[Clause] = (), asked: Sequence[tuple[str, str]] = ()
) -> Question[Scope]:
    """Ask for the clauses of a concept and for what is still open.

    Args:
        concept: Its name, as the owner wrote it.
        purpose: What it is for, in the owner's words.
        clauses: The definition so far; none for the first draft.
        asked: Questions asked so far with the owner's answers.

    Raises:
        InputError: The concept has no name.
    """
    return question_from(
        PROMPT_ID,
        Scope,
        max_tokens=3000,
        about=(concept,),
        concept=named(concept),
        purpose=purpose,
        clauses=clause_rows(clauses),
        asked=answer_rows(asked),
    )


def named(concept: str) -> str:
    """The concept's name, checked.

    Raises:
        InputError: It is blank.
    """
    if not concept.strip():
        raise InputError("The concept has no name.", hint='For example "healthy dish".')
    return concept


def clause_rows(clauses: Sequence[Clause]) -> list[dict[str, str]]:
    """Clauses as the data block of a question holds them."""
    return [{"id": clause.id, "role": clause.role, "text": clause.text} for clause in clauses]


def answer_rows(asked: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Questions with their answers, as the data block of a question holds them."""
    return [{"question": question, "answer": answer} for question, answer in asked]
