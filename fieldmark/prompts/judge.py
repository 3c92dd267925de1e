"""The question which clauses hold for an image, and its answer."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from fieldmark.prompts.answer_fields import AnswerModel, Confidence, Prose
from fieldmark.prompts.concept_fields import clauses_alone
from fieldmark.prompts.loader import question_from
from fieldmark.records.concepts import Clause
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "judge.v1"
BY_EXAMPLES = "judge_by_examples.v1"
FINDING = "finding"
"""Field of the answer that says whether a clause holds."""
_TOKENS_A_CLAUSE = 60


class ClauseFinding(AnswerModel):
    """Whether one clause holds."""

    clause: Annotated[str, Field(description="Id of the clause, copied exactly.")]
    finding: Literal["yes", "no", "cannot_tell"]
    confidence: Confidence


class Judgement(AnswerModel):
    """What an image shows, and which clauses hold for it."""

    seen: Annotated[Prose, Field(description="What the image shows that could matter.")]
    findings: Annotated[list[ClauseFinding], Field(min_length=1, description="One for each clause.")]
    rationale: Annotated[Prose, Field(description="What decided the findings that were not plain.")]


def ask_judge(image: ImagePart, clauses: Sequence[Clause], *, sample: int = 0) -> Question[Judgement]:
    """Ask which clauses hold for an image.

    Args:
        image: The image.
        clauses: The clauses to judge: those whose verdict is not known yet.
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        InputError: If there is no clause, or an id is repeated.
    """
    return question_from(
        PROMPT_ID,
        Judgement,
        max_tokens=500 + _TOKENS_A_CLAUSE * len(clauses),
        sample=sample,
        images=(image,),
        clauses=clauses_alone(clauses),
    )


def ask_judge_by_examples(
    image: ImagePart,
    clauses: Sequence[Clause],
    examples: Sequence[tuple[Literal["in", "out"], ImagePart]],
    *,
    sample: int = 0,
) -> Question[Judgement]:
    """Ask the same with images before it that their owner labelled.

    Args:
        image: The image to judge; it comes last.
        clauses: The clauses to judge.
        examples: Labels, each with an image.
        sample: See `ask_judge`.

    Raises:
        InputError: If there is no clause, or an id is repeated.
    """
    return question_from(
        BY_EXAMPLES,
        Judgement,
        max_tokens=500 + _TOKENS_A_CLAUSE * len(clauses),
        sample=sample,
        images=(*(part for _, part in examples), image),
        clauses=clauses_alone(clauses),
        examples=[label for label, _ in examples],
    )
