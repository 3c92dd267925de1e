"""The question which questions a task's classes should be portrayed by, and its answer."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fieldmark.prompts.answer_fields import (
    SIX,
    AnswerModel,
    answer_tokens,
    distinct_classes,
    evenly_spaced,
    limited_text,
    sent_bound,
)
from fieldmark.prompts.class_questions import PLACE, has_one_place, with_plain_place
from fieldmark.prompts.distinct_texts import distinct_texts
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "task_questions.v1"
MAX_NAMES = 60
"""The most class names that the question lists; of more, evenly spaced ones."""

_Asked = Annotated[str, AfterValidator(limited_text(300)), AfterValidator(with_plain_place), sent_bound(300)]


class TaskQuestions(AnswerModel):
    """Questions to ask about every class, the most useful first; at least one has a place for the class."""

    task_questions: Annotated[
        list[_Asked], *SIX, Field(description=f"One to six questions, each with {PLACE} exactly once.")
    ]

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if not questions_of(self).words:
            raise ValueError(f"no question holds {PLACE} exactly once")
        return self


def ask_task_questions(
    classes: Sequence[str], *, noun: str, task: str = "", sample: int = 0
) -> Question[TaskQuestions]:
    """Ask which questions bring out what photos of a task's classes show.

    Source: Mirza et al. 2024 (MPVR), section 3, the first of two steps; the second is `ask_portray`.

    Args:
        classes: One or more class names; of more than `MAX_NAMES`, evenly spaced ones are listed.
        noun: The generic word for all classes, e.g. "bird".
        task: What the photos are and what is to be told apart, in the owner's words; may be empty.
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there is no class, or one is blank or repeated.
    """
    listed = evenly_spaced(distinct_classes(classes, least=1), MAX_NAMES)
    return question_from(
        PROMPT_ID,
        TaskQuestions,
        max_tokens=answer_tokens(statements=6),
        about=listed,
        sample=sample,
        classes=list(listed),
        noun=noun,
        task=task,
    )


def questions_of(answer: TaskQuestions) -> AnswerStatements:
    """Questions with exactly one place for the class name ("no_place" counts the others), each once."""
    return distinct_texts(answer.task_questions, lambda text: None if has_one_place(text) else "no_place")


KIND = QuestionKind(
    name="task_questions",
    ask=lambda planned: ask_task_questions(
        planned.spec.classes, noun=planned.noun, task=planned.spec.text, sample=planned.spec.sample
    ),
    read=lambda answer, planned, key: questions_of(answer),
)
