"""Questions about a class that its photos answer, with a place for the class name."""

import re

from fieldmark.errors import InputError

PLACE = "{class}"
"""Where the class name goes. It is put there as data: no question is ever a format string."""
GENERIC_QUESTIONS: tuple[str, ...] = (
    "What would you see in a photo of the class {class}?",
    "By which visible features would you recognise the class {class}?",
    "How would you describe the look of the class {class} to somebody who has never seen one?",
)
"""Three questions that fit classes of every kind (Pratt et al. 2023, CuPL base, asks three such); others come
with a data set, or are written by a model (`task_questions.v1`)."""

_LOOSE_PLACE = re.compile(r"\{+\s*class(?:[ _]?name)?\s*\}+", re.IGNORECASE)


def with_plain_place(question: str) -> str:
    """A question with its place spelled as `PLACE`, where it was spelled otherwise: "{ Class }"."""
    return _LOOSE_PLACE.sub(lambda _: PLACE, question)


def has_one_place(question: str) -> bool:
    """Whether a question has exactly one place for the class name."""
    return question.count(PLACE) == 1


def question_about(question: str, class_name: str) -> str:
    """Put a class name into a question.

    Args:
        question: A question that holds `PLACE` once.
        class_name: The class, exactly as the user named it; whatever it holds stays as it is.

    Raises:
        InputError: If the question has no place for the name, or more than one.
    """
    if not has_one_place(question):
        raise InputError(
            f"the question {question[:200]!r} must hold {PLACE} exactly once.",
            hint=f"Write {PLACE} where the class name belongs.",
        )
    before, after = question.split(PLACE)
    return before + class_name + after
