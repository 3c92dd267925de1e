"""The follow-up question to a group that the attributes tried so far did not separate."""

from collections.abc import Sequence

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import answer_tokens, distinct_classes
from fieldmark.prompts.differentiate_group import GroupDifferences, group_statements
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import votes_of
from fieldmark.records.questions import Question

PROMPT_ID = "differentiate_again.v1"


def ask_differentiate_again(
    classes: Sequence[str], tried: Sequence[str], *, noun: str, sample: int = 0
) -> Question[GroupDifferences]:
    """Ask for other attributes than those already tried.

    Args:
        classes: Two or more classes, exactly as the user named them.
        tried: Names of the attributes that did not separate them; at least one.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there are fewer than two classes, or one is blank or repeated.
        InputError: If nothing was tried yet.
    """
    about = distinct_classes(classes, least=2)
    if not tried:
        raise InputError("no attribute was tried yet.", hint="Ask ask_differentiate_group first.")
    return question_from(
        PROMPT_ID,
        GroupDifferences,
        max_tokens=answer_tokens(*classes, statements=6),
        about=about,
        sample=sample,
        classes=list(classes),
        tried=list(tried),
        noun=noun,
    )


KIND = QuestionKind(
    name="again",
    ask=lambda planned: ask_differentiate_again(
        planned.spec.classes, planned.spec.attributes, noun=planned.noun, sample=planned.spec.sample
    ),
    read=lambda answer, planned, key: votes_of(
        group_statements(answer), classes=planned.spec.classes, source=key, tried=planned.spec.attributes
    ),
)
