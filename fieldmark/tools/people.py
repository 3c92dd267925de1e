"""Tells what a person said in a file of labels from what a run or a model guessed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fieldmark.errors import InputError

PERSON, RUN = "person", "run"
NONE_OF_THESE = "none of these"
"""The label of an image that shows none of the classes."""
BY = "by"
"""Column, or attribute, that says who gave a label."""
_WHO = (BY, "given_by")
_SURE, _SAID = "confidence", "said"
_TRUE = ("true", "1", "yes")
_PREDICTED = {"candidates", "runner_up"}
"""Columns that tell predictions of one class an image from labels."""


def by_person(by: object, confidence: object = None) -> bool:
    """Whether a person gave a label: it says so, or says nothing and has no confidence, as a model's has."""
    who = str("" if by is None else by).strip().casefold()
    return who == PERSON or (not who and confidence in (None, ""))


def says_who(table: Sequence[Mapping[str, object]]) -> bool:
    """Whether a table has a column that says who gave a label, in whatever letters."""
    return _column(table, *_WHO) is not None


def said_by_people(table: Sequence[Mapping[str, object]]) -> list[bool]:
    """Of each row of a table whether a person gave its label; all, where the table does not say.

    A run's predictions of several classes mark what a person said as true in the column `said`.
    """
    said, shares = _column(table, _SAID), _column(table, "thresholds")
    if said is not None and shares is not None:
        return [str(row.get(said, "")).strip().casefold() in _TRUE for row in table]
    by, sure = _column(table, *_WHO), _column(table, _SURE)
    return [by is None or by_person(row.get(by), row.get(sure) if sure else None) for row in table]


def _column(table: Sequence[Mapping[str, object]], *known: str) -> str | None:
    """The column of one of some names, in whatever letters; None where there is none."""
    names = dict.fromkeys(each for row in table for each in row)
    return next((each for each in names if str(each).strip().casefold() in known), None)


def refuse_predictions(path: Path, table: Sequence[Mapping[str, object]]) -> None:
    """Refuse a run's own predictions as labels: what it guessed is no truth.

    Raises:
        InputError: The table is a run's predictions.csv, or what an exported classifier wrote.
    """
    if table and table[0].keys() >= _PREDICTED:
        raise InputError(
            f"{str(path)!r} holds a run's own predictions, and those are no labels.",
            hint="Give the run's labels.csv, or put the table of `fieldmark convert` right and give that.",
        )


def nobody_said(path: Path | str, count: int = 0) -> InputError:
    """The error where every label of a file is a model's; 0 where they were not counted."""
    number = f"{count:,} labels" if count else "labels"
    return InputError(
        f"Nobody labelled anything in {str(path)!r}: its {number} are a model's.",
        hint="Put right what is wrong, and mark it as a person's: in a table or the file of FiftyOne or COCO "
        "write person under `by`; in CVAT the tag's source is manual; in Label Studio submit the task.",
    )


def passed_note(path: object, count: int) -> str:
    """The note on labels that were passed over; empty where none was."""
    if not count:
        return ""
    return f"{count:,} label(s) of {str(path)!r} are a run's or a model's own guesses, and were passed over."
