"""The three questions by which an image is judged in steps: a caption, each clause, and all weighed.

Source: the image annotator of Modeling Collaborator (Toubal et al., CVPR 2024): one model captions an image,
another answers questions about it, and a language model decides from captions and answers. Here one question
holds all clauses, and each clause gets a finding of its own, which the definition's logic combines.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from fieldmark.prompts.answer_fields import AnswerModel, Prose
from fieldmark.prompts.concept_fields import clauses_alone
from fieldmark.prompts.judge import ClauseFinding
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Clause
from fieldmark.records.questions import ImagePart, Question

CAPTION, INQUIRE, WEIGH = "caption.v1", "inquire.v1", "weigh.v1"
_TOKENS_A_CLAUSE = 60


class CaptionedImage(AnswerModel):
    """What an image shows that could matter to some clauses."""

    shows: Annotated[Prose, Field(description="Two to four sentences.")]


class ClauseAnswer(AnswerModel):
    """Whether a clause is so in an image; what is seen comes first, so that it is looked for first."""

    clause: Annotated[str, Field(description="Id of the clause, copied exactly.")]
    evidence: Annotated[Prose, Field(description="What is seen that answers it, in a few words.")]
    answer: Literal["yes", "no", "cannot_tell"]


class ClauseAnswers(AnswerModel):
    """The clauses answered as questions about an image."""

    answers: Annotated[list[ClauseAnswer], Field(min_length=1, description="One for each clause.")]


class WeighedFindings(AnswerModel):
    """Which clauses hold, by a description and answers; the reason comes first, to be thought of first."""

    rationale: Annotated[Prose, Field(description="What decided the findings that were not plain.")]
    findings: Annotated[list[ClauseFinding], Field(min_length=1, description="One for each clause.")]


QUESTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    (CAPTION, CaptionedImage),
    (INQUIRE, ClauseAnswers),
    (WEIGH, WeighedFindings),
)
"""The ids of the prompts, each with the model of its answer, in their order."""


def ask_caption(image: ImagePart, clauses: Sequence[Clause], *, sample: int = 0) -> Question[CaptionedImage]:
    """Ask what an image shows in view of clauses.

    Args:
        image: The image.
        clauses: The clauses that it is to be judged by.
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        InputError: If there is no clause, or an id is repeated.
    """
    return question_from(
        CAPTION,
        CaptionedImage,
        max_tokens=500,
        sample=sample,
        images=(image,),
        clauses=clauses_alone(clauses),
    )


def ask_inquire(
    image: ImagePart, clauses: Sequence[Clause], caption: str, *, sample: int = 0
) -> Question[ClauseAnswers]:
    """Ask of an image and its caption whether each clause is so.

    Args:
        image: The image.
        clauses: See `ask_caption`.
        caption: What was said that the image shows.
        sample: See `ask_caption`.

    Raises:
        InputError: See `ask_caption`.
    """
    return question_from(
        INQUIRE,
        ClauseAnswers,
        max_tokens=300 + 2 * _TOKENS_A_CLAUSE * len(clauses),
        sample=sample,
        images=(image,),
        clauses=clauses_alone(clauses),
        caption=caption,
    )


def ask_weigh(
    clauses: Sequence[Clause], caption: str, answers: ClauseAnswers, *, sample: int = 0
) -> Question[WeighedFindings]:
    """Ask which clauses hold for an image that is not shown.

    Args:
        clauses: See `ask_caption`.
        caption: What was said that the image shows.
        answers: What was answered of each clause.
        sample: See `ask_caption`.

    Raises:
        InputError: See `ask_caption`.
    """
    return question_from(
        WEIGH,
        WeighedFindings,
        max_tokens=500 + _TOKENS_A_CLAUSE * len(clauses),
        sample=sample,
        clauses=clauses_alone(clauses),
        caption=caption,
        answers=[each.model_dump() for each in answers.answers],
    )
