"""The question for search queries that find a concept's images and those that come close, and its answer."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import AnswerModel, at_most
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.scope import Sentence, clause_rows, named
from fieldmark.records.concepts import Clause
from fieldmark.records.questions import Question

PROMPT_ID = "queries.v1"
MAX_QUERIES = 8

_EIGHT = (BeforeValidator(at_most(MAX_QUERIES)), Field(min_length=1, max_length=MAX_QUERIES))


class Queries(AnswerModel):
    """Captions of images to look for."""

    positive: Annotated[list[Sentence], *_EIGHT, Field(description="Captions of images that belong.")]
    near_miss: Annotated[list[Sentence], *_EIGHT, Field(description="Captions of images that almost do.")]


def ask_queries(concept: str, *, purpose: str, clauses: Sequence[Clause]) -> Question[Queries]:
    """Ask for queries that find a concept's images and its near misses.

    Raises:
        InputError: The concept has no name.
    """
    return question_from(
        PROMPT_ID,
        Queries,
        max_tokens=1500,
        about=(concept,),
        concept=named(concept),
        purpose=purpose,
        clauses=clause_rows(clauses),
    )
