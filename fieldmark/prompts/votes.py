"""Reads votes for the class × attribute table out of answers."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fieldmark.records.questions import AnswerStatements, AttributeVote

UNCLEAR = frozenset({
    "unclear", "unknown", "uncertain", "not clear", "not known", "not visible", "not applicable",
    "n/a", "na", "cannot tell", "can't tell", "varies", "variable",
})  # fmt: skip
"""Values that say nothing."""


class StatedValue(NamedTuple):
    """One statement of an answer as it was given: this class has this value for this attribute."""

    class_name: str
    attribute: str
    value: str
    caption: str | None = None


def votes_of(
    statements: Iterable[StatedValue],
    *,
    classes: Sequence[str],
    source: str,
    attributes: Sequence[str] | None = None,
    tried: Sequence[str] = (),
) -> AnswerStatements:
    """Check the statements of an answer against its question; those that fit become votes.

    Class and attribute names are spelled in the votes as they were asked.

    Names are matched exactly, else without regard to case, spaces and Unicode form. A statement about
    a class or an attribute that was not asked for is dropped and counted, as is a second statement on
    the same class and attribute, and a value that says nothing ("unclear").

    Args:
        statements: The statements, in the answer's order.
        classes: The classes of the question.
        source: Key of the answer, kept in each vote.
        attributes: The attributes asked for; None where the answer may choose them.
        tried: Attributes that were to be avoided (`ask_differentiate_again`).
    """
    class_names = Spelling(classes)
    attribute_names = None if attributes is None else Spelling(attributes)
    avoided = Spelling(tried)
    votes: list[AttributeVote] = []
    dropped: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for statement in statements:
        class_name = class_names.as_asked(statement.class_name)
        attribute = statement.attribute
        if attribute_names is not None:
            attribute = attribute_names.as_asked(attribute)
        if class_name is None:
            dropped["unlisted_class"] += 1
        elif attribute is None:
            dropped["unlisted_attribute"] += 1
        elif avoided.as_asked(attribute) is not None:
            dropped["tried_attribute"] += 1
        elif statement.value.casefold() in UNCLEAR:
            dropped["unclear"] += 1
        elif (class_name, plain_form(attribute)) in seen:
            dropped["repeated"] += 1
        else:
            seen.add((class_name, plain_form(attribute)))
            votes.append(
                AttributeVote(
                    class_name=class_name,
                    attribute=attribute,
                    value=statement.value,
                    caption=statement.caption,
                    source=source,
                )
            )
    return AnswerStatements(votes=tuple(votes), dropped=dict(dropped))


def plain_form(name: str) -> str:
    """A name without regard to case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


class Spelling:
    """Finds names again that came back in another spelling."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(names)
        plain = Counter(plain_form(name) for name in names)
        # Two names that differ only in case or spaces can be told apart by exact spelling alone.
        self._plain = {plain_form(name): name for name in names if plain[plain_form(name)] == 1}

    def as_asked(self, name: str) -> str | None:
        """The name as it was asked; None where it was not."""
        return name if name in self._exact else self._plain.get(plain_form(name))
