"""The question for the words that say what the images of a task are, and its answer."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from fieldmark.prompts.answer_fields import (
    SIX,
    AnswerModel,
    Word,
    answer_tokens,
    distinct_classes,
    evenly_spaced,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "domain_words.v1"
MAX_NAMES = 60
"""The most class names that the question lists; of more, evenly spaced ones."""


class DomainWords(AnswerModel):
    """What the images of a task are, the most fitting word first."""

    domain_words: Annotated[
        list[Word], *SIX, Field(description="One to six words for the kind of thing or of picture.")
    ]


def ask_domain_words(classes: Sequence[str], *, noun: str, sample: int = 0) -> Question[DomainWords]:
    """Ask which words say what kind of thing or of picture the images of all classes are.

    Source: Qu et al. 2025 (ProAPO), whose template library is varied by one to six words for the task.

    Args:
        classes: One or more class names; of more than `MAX_NAMES`, evenly spaced ones are listed.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there is none, or one is blank or repeated.
    """
    listed = evenly_spaced(distinct_classes(classes, least=1), MAX_NAMES)
    return question_from(
        PROMPT_ID,
        DomainWords,
        max_tokens=answer_tokens(statements=6),
        about=listed,
        sample=sample,
        classes=list(listed),
        noun=noun,
    )


KIND = QuestionKind(
    name="domain_words",
    ask=lambda planned: ask_domain_words(planned.spec.classes, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: AnswerStatements(words=tuple(answer.domain_words)),
)
