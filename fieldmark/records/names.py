"""Folds the spellings of a name into one: what class names go through wherever they come in."""

import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
"""Characters of no width that copied text brings along. The joiners stay: scripts and emoji need them."""


def one_name(name: str) -> str:
    """A name in the one spelling that is used: composed letters (NFC), single blanks, none at the ends.

    macOS writes an "ä" as two characters, and tables leave blanks behind; neither makes another class.
    """
    if name.isascii():
        return " ".join(name.split())
    return " ".join(unicodedata.normalize("NFC", name.translate(_INVISIBLE)).split())


def plain_name(name: str) -> str:
    """A name without regard to case, blanks and underscores, which are all that alike names differ in."""
    return unicodedata.normalize("NFC", one_name(name.replace("_", " ")).casefold())


def near_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of names that differ only in case, blanks or underscores, each in the order given."""
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        groups.setdefault(plain_name(name), {})[name] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def near_note(names: Iterable[str]) -> str:
    """A sentence on the first names that differ only in case, blanks or underscores; empty where none do."""
    groups = near_names(names)
    if not groups:
        return ""
    more = f", and so do {len(groups) - 1} more groups" if len(groups) > 1 else ""
    named = " and ".join(map(repr, groups[0]))
    return f"{named} differ only in case, blanks or underscores{more}: is that one class?"


ClassName = Annotated[str, AfterValidator(one_name)]
"""The name of a class in a record."""
