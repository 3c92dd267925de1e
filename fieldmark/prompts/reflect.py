"""The question how descriptions of confused classes should be changed, and what is read out of its answer."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import (
    MAX_LENGTH,
    AnswerModel,
    answer_tokens,
    as_phrase,
    at_most,
    distinct_classes,
)
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.question_kind import QuestionKind
from fieldmark.prompts.votes import UNCLEAR, Spelling
from fieldmark.records import DescriptorEdit, Record
from fieldmark.records.questions import AnswerStatements, Question

PROMPT_ID = "reflect.v1"
MOST_ADDED = 6
"""The most descriptors that an answer may add to a class."""


class Described(Record):
    """A class and the descriptors that it has now."""

    name: str
    descriptors: tuple[str, ...]


class Confusion(Record):
    """How the training images of one class do against another class."""

    class_name: str
    taken_for: str
    wrong: int
    """Images of the class that were taken for the other."""
    of: int
    share: float
    """Mean probability that the images of the class give to the other."""


class ConfusedGroup(Record):
    """Classes that are taken for one another: what the question quotes."""

    classes: tuple[Described, ...]
    confusions: tuple[Confusion, ...]
    seen: Literal["mistakes", "close calls"]
    """Whether any image was taken for another class of the group, or only nearly."""


class ClassEdit(AnswerModel):
    """What to change in the description of one class."""

    class_name: Annotated[str, Field(description="A class of the list, copied exactly.")]
    add: Annotated[
        list[str],
        BeforeValidator(at_most(MOST_ADDED)),
        Field(
            max_length=MOST_ADDED,
            description='Noun phrases that fit "which has ...", the most telling first.',
        ),
    ]
    drop: Annotated[list[str], Field(description="Present marks of the class, copied exactly.")]


class Reflection(AnswerModel):
    """Edits of the descriptions of confused classes; none where nothing better is known."""

    edits: Annotated[list[ClassEdit], Field(description="One entry for each class to change.")]


def ask_reflect(group: ConfusedGroup, *, noun: str) -> Question[Reflection]:
    """Ask how the descriptions of a confused group should be changed.

    Args:
        group: Two or more classes with their descriptors and confusions.
        noun: The generic word for all classes, e.g. "bird".

    Raises:
        ClassNamesError: If there are fewer than two classes, or one is blank or repeated.
    """
    about = distinct_classes([each.name for each in group.classes], least=2)
    return question_from(
        PROMPT_ID,
        Reflection,
        max_tokens=answer_tokens(*about, statements=MOST_ADDED)
        + sum(
            20 + len(text.encode("utf-8", "replace")) // 2
            for each in group.classes
            for text in each.descriptors
        ),
        about=about,
        classes=[{"class": each.name, "marks": list(each.descriptors)} for each in group.classes],
        confusions=[
            {
                "class": each.class_name,
                "taken_for": each.taken_for,
                "wrong": each.wrong,
                "of": each.of,
                "share": each.share,
            }
            for each in group.confusions
        ],
        seen=group.seen,
        noun=noun,
    )


def edits_of(answer: Reflection, group: ConfusedGroup) -> AnswerStatements:
    """Read the edits of an answer, and hold it to its question.

    Class names and the descriptors to drop are matched exactly, else without regard to case, spaces and
    Unicode form. These are left out and counted: a class that was not asked about, a second entry of a class,
    and a descriptor to add that is blank, too long, says nothing ("unclear") or is there already.
    """
    names = Spelling([each.name for each in group.classes])
    known = {each.name: Spelling(each.descriptors) for each in group.classes}
    dropped: Counter[str] = Counter()
    edits: dict[str, DescriptorEdit] = {}
    for entry in answer.edits:
        name = names.as_asked(entry.class_name)
        if name is None:
            dropped["unlisted_class"] += 1
            continue
        if name in edits:
            dropped["repeated_class"] += 1
            continue
        add: list[str] = []
        for descriptor in map(as_phrase, entry.add):
            repeated = known[name].as_asked(descriptor) is not None or descriptor in add
            reason = _unusable(descriptor, known=repeated)
            if reason is None:
                add.append(descriptor)
            else:
                dropped[reason] += 1
        found = [known[name].as_asked(descriptor) for descriptor in entry.drop]
        drop = tuple(dict.fromkeys(each for each in found if each is not None))
        dropped["unlisted_descriptor"] += found.count(None)
        if add or drop:
            edits[name] = DescriptorEdit(class_name=name, add=tuple(add), drop=drop)
    return AnswerStatements(
        edits=tuple(edits.values()), dropped={why: count for why, count in dropped.items() if count}
    )


def _unusable(descriptor: str, *, known: bool) -> str | None:
    if not descriptor:
        return "blank"
    if len(descriptor) > MAX_LENGTH:
        return "too_long"
    if descriptor.casefold() in UNCLEAR:
        return "unclear"
    return "known" if known else None


KIND = QuestionKind(
    name="reflect",
    ask=lambda planned: ask_reflect(ConfusedGroup.model_validate(planned.material), noun=planned.noun),
    read=lambda answer, planned, key: edits_of(answer, ConfusedGroup.model_validate(planned.material)),
)
