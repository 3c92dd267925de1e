"""Checks what a public class is made with, so that a wrong argument raises our error with its name."""

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ValidationError

from fieldmark.errors import InputError
from fieldmark.records import Record

C = TypeVar("C")

PLACES = ("home", "out")
"""Arguments that are folders; a text is taken, too."""


def checked_arguments(cls: type[C]) -> type[C]:
    """Have a dataclass refuse arguments that it does not know, lacks, or cannot use, with an `InputError`.

    Folders may be texts, and options mappings of their fields.
    """
    made = cls.__init__
    own = {each.name: each for each in fields(cls)}  # pyright: ignore[reportArgumentType]

    @wraps(made)
    def checked(self: Any, *args: Any, **given: Any) -> None:
        if args:
            raise InputError(
                f"{cls.__name__} takes its arguments by name.", hint=f"Write {next(iter(own))}=…."
            )
        for name in given:
            if name not in own:
                close = difflib.get_close_matches(name, own, 1)
                hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(own)}."
                raise InputError(f"{cls.__name__} has no argument {name!r}.", hint=hint, field=name)
        for name, each in own.items():
            if name not in given and each.default is MISSING and each.default_factory is MISSING:
                raise InputError(f"{cls.__name__} needs {name}.", hint=f"Give {name}=….", field=name)
        records = _records(cls)
        for name, value in given.items():
            if name in PLACES and value is not None:
                given[name] = _folder(name, value)
            elif name in records and not isinstance(value, records[name]):
                given[name] = _record(name, value, records[name])
        made(self, **given)

    cls.__init__ = checked
    return cls


def _records(cls: type) -> dict[str, type[Record]]:
    """The arguments that are one record, such as options and limits."""
    hints = get_type_hints(cls)
    return {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Record)}


def _folder(name: str, value: object) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(f"{name} is no path but {value!r}.", hint="Give a text or a Path.", field=name)
    return Path(value)


def _record(name: str, value: object, record: type[Record]) -> Record:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{name} is no {record.__name__} but {value!r}.", hint=f"Give {record.__name__}(…).", field=name
        )
    try:
        return record.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or name
        says = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{name}: {where} cannot be {first['input']!r}: {says}.",
            hint=f"See {record.__name__}.",
            field=where,
        ) from None
