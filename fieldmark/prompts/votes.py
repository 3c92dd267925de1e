"""Reads votes for the class × attribute table out of answers."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fieldmark.errors import ClassNamesError
from fieldmark.prompts.differentiate import Differences
from fieldmark.prompts.differentiate_group import GroupDifferences
from fieldmark.prompts.tabulate import TableRow
from fieldmark.records.questions import Vote

TabularAnswer = Differences | GroupDifferences | TableRow
"""The answers that hold votes."""
DropReason = Literal["stranger_class", "stranger_attribute", "tried_attribute", "repeated", "unclear"]

UNCLEAR = frozenset({
    "unclear", "unknown", "uncertain", "not clear", "not known", "not visible", "not applicable",
    "n/a", "na", "cannot tell", "can't tell", "varies", "variable",
})  # fmt: skip
"""Values that say nothing."""


@dataclass(frozen=True, kw_only=True)
class VotesRead:
    """What an answer said.

    Attributes:
        votes: The statements that fit the question, in the answer's order; class and attribute names
            are spelled as they were asked.
        dropped: Number of statements left out, by reason.
    """

    votes: tuple[Vote, ...]
    dropped: Mapping[DropReason, int]


class _Statement(NamedTuple):
    class_name: str
    attribute: str
    value: str
    caption: str | None


def votes_of(
    answer: TabularAnswer,
    *,
    classes: Sequence[str],
    source: str,
    attributes: Sequence[str] | None = None,
    tried: Sequence[str] = (),
) -> VotesRead:
    """Read the votes of an answer, and hold it to its question.

    Names are matched exactly, else without regard to case, spaces and Unicode form. A statement about
    a class or an attribute that was not asked for is dropped and counted, as is a second statement on
    the same class and attribute, and a value that says nothing ("unclear").

    Args:
        answer: The validated answer.
        classes: The classes of the question, in its order (`Question.about`): two for
            `ask_differentiate`, one for `ask_tabulate`.
        source: Key of the answer, kept in each vote.
        attributes: The attributes asked for; None where the answer may choose them.
        tried: Attributes that were to be avoided (`ask_differentiate_again`).

    Raises:
        ClassNamesError: If the number of classes does not fit the kind of answer.
    """
    class_names = Spelling(classes)
    attribute_names = None if attributes is None else Spelling(attributes)
    avoided = Spelling(tried)
    votes: list[Vote] = []
    dropped: Counter[DropReason] = Counter()
    seen: set[tuple[str, str]] = set()
    for statement in _statements(answer, classes):
        class_name = class_names.as_asked(statement.class_name)
        attribute = statement.attribute
        if attribute_names is not None:
            attribute = attribute_names.as_asked(attribute)
        if class_name is None:
            dropped["stranger_class"] += 1
        elif attribute is None:
            dropped["stranger_attribute"] += 1
        elif avoided.as_asked(attribute) is not None:
            dropped["tried_attribute"] += 1
        elif statement.value.casefold() in UNCLEAR:
            dropped["unclear"] += 1
        elif (class_name, plain_form(attribute)) in seen:
            dropped["repeated"] += 1
        else:
            seen.add((class_name, plain_form(attribute)))
            votes.append(
                Vote(
                    class_name=class_name,
                    attribute=attribute,
                    value=statement.value,
                    caption=statement.caption,
                    source=source,
                )
            )
    return VotesRead(votes=tuple(votes), dropped=dict(dropped))


def _statements(answer: TabularAnswer, classes: Sequence[str]) -> Iterator[_Statement]:
    match answer:
        case Differences():
            first, second = _exactly(classes, 2)
            for d in answer.differences:
                yield _Statement(first, d.attribute, d.first_value, d.first_caption)
                yield _Statement(second, d.attribute, d.second_value, d.second_caption)
        case GroupDifferences():
            for difference in answer.differences:
                for value in difference.values:
                    yield _Statement(value.class_name, difference.attribute, value.value, None)
        case TableRow():
            (class_name,) = _exactly(classes, 1)
            for entry in answer.entries:
                yield _Statement(class_name, entry.attribute, entry.value, None)


def _exactly(classes: Sequence[str], count: int) -> Sequence[str]:
    if len(classes) != count:
        raise ClassNamesError(
            f"the answer is about {count} class(es), but {len(classes)} were given.",
            hint="Pass the question's `about`.",
        )
    return classes


def plain_form(name: str) -> str:
    """A name without regard to case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


class Spelling:
    """Finds names again that came back in another spelling.

    Args:
        names: The names as they were asked.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(names)
        plain = Counter(plain_form(name) for name in names)
        # Two names that differ only in case or spaces can be told apart by exact spelling alone.
        self._plain = {plain_form(name): name for name in names if plain[plain_form(name)] == 1}

    def as_asked(self, name: str) -> str | None:
        """The name as it was asked; None where it was not."""
        return name if name in self._exact else self._plain.get(plain_form(name))
