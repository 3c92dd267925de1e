"""The question which families a task's classes form, and what is read out of its answer."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from fieldmark.errors import ClassNamesError
from fieldmark.prompts.answer_fields import AnswerModel, KindName, distinct_classes
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import Spelling, plain_form
from fieldmark.records import Family
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "family.v1"
MAX_CLASSES = 200
"""The most classes that one question sorts: their names come back in the answer."""
MOST_AT_ONCE = 64
"""The most classes of a question where many are asked about in parts."""


class FamilyMembers(AnswerModel):
    """One family."""

    family: Annotated[KindName, Field(description="The everyday word for the kind, in the singular.")]
    classes: Annotated[list[str], Field(description="Classes of the list, copied exactly.")]


class Families(AnswerModel):
    """The families that the classes form; none where all stand on their own."""

    families: Annotated[list[FamilyMembers], Field(description="One entry for each family.")]


def ask_family(classes: Sequence[str], *, noun: str, sample: int = 0) -> Question[Families]:
    """Ask which families classes form: a tree of depth two.

    Source: Roberts et al. 2023 (Loki), whose method needs distances of labels, e.g. within a tree of them.

    Args:
        classes: Two or more classes, exactly as the user named them; at most `MAX_CLASSES`.
        noun: The generic word for all classes, e.g. "bird".
        sample: 0 for the first answer, 1 for a second opinion, and so on.

    Raises:
        ClassNamesError: If there are too few or too many, or one is blank or repeated.
    """
    about = distinct_classes(classes, least=2)
    if len(about) > MAX_CLASSES:
        raise ClassNamesError(
            f"one question sorts at most {MAX_CLASSES} classes, not {len(about)}.",
            hint="Ask about them in parts; families of the same name belong together.",
        )
    return question_from(
        PROMPT_ID,
        Families,
        max_tokens=400 + sum(30 + len(name.encode("utf-8", "replace")) // 2 for name in about),
        about=about,
        sample=sample,
        classes=list(about),
        noun=noun,
    )


def ask_families(classes: Sequence[str], *, noun: str) -> tuple[Question[Families], ...]:
    """Ask which families many classes form, in parts of like size; families of the same name are one.

    Args:
        classes: Two or more classes, exactly as the user named them.
        noun: The generic word for all classes, e.g. "bird".

    Raises:
        ClassNamesError: If there are too few, or one is blank or repeated.
    """
    parts = max(1, -(-len(classes) // MOST_AT_ONCE))
    ends = [len(classes) * part // parts for part in range(parts + 1)]
    return tuple(ask_family(classes[start:end], noun=noun) for start, end in pairwise(ends))


def families_of(answer: Families, classes: Sequence[str]) -> AnswerStatements:
    """Read the families of an answer, and hold it to its question.

    Class names are matched exactly, else without regard to case, spaces and Unicode form. A member that was
    not asked about is dropped and counted, as is a class in a second place. Families of the same name are
    one; those without a member are none. A class that the answer left out is a family of its own, which bears
    its name.

    Args:
        answer: The validated answer.
        classes: The classes of the question, in its order (`Question.about`).
    """
    spelling = Spelling(classes)
    names: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    placed: set[str] = set()
    dropped: Counter[str] = Counter()
    for entry in answer.families:
        key = plain_form(entry.family)
        names.setdefault(key, entry.family)
        for given in entry.classes:
            name = spelling.as_asked(given)
            if name is None:
                dropped["unlisted_class"] += 1
            elif name in placed:
                dropped["repeated_class"] += 1
            else:
                placed.add(name)
                members.setdefault(key, []).append(name)
    stated = [Family(name=names[key], classes=tuple(found)) for key, found in members.items()]
    alone = [Family(name=name, classes=(name,)) for name in classes if name not in placed]
    return AnswerStatements(families=(*stated, *alone), dropped=dict(dropped))


KIND = QuestionKind(
    name="family",
    ask=lambda planned: ask_family(planned.spec.classes, noun=planned.noun, sample=planned.spec.sample),
    read=lambda answer, planned, key: families_of(answer, planned.spec.classes),
)
