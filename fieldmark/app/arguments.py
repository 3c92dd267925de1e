"""Checks what a public class is made with, so that a wrong argument raises our error with its name."""

import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from fieldmark.errors import InputError, close_to
from fieldmark.reading import is_address
from fieldmark.records import Record, path_of, wrong_value

C = TypeVar("C", bound=Callable[..., Any])

PLAIN: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
}
"""Types of arguments that are checked, each with what it is called."""

MODELS = {
    "clip": ("Encoder", "encode_images"),
    "llm": ("LanguageModel", "ask"),
    "vlm": ("LanguageModel", "ask"),
}
"""Arguments that are models or their names, each with the method by which a model is known."""


def checked_arguments(made: C) -> C:
    """Have a class, a class method or a function refuse arguments that are unknown, missing or of no use.

    Folders may be texts, and options mappings of their fields. What is wrong raises an `InputError` with the
    argument's name as its field. The repr of a dataclass has what differs from the defaults.
    """
    if isinstance(made, type):
        cls: Any = made
        cls.__init__ = _checked(cls.__init__, cls.__name__)
        if is_dataclass(made):
            cls.__repr__ = _short_repr
        return cls
    return _checked(made, made.__qualname__)


def _checked(function: Any, title: str) -> Any:
    known = dict(inspect.signature(function).parameters)
    own = [name for name in list(known)[:1] if name in ("self", "cls")]  # a plain function has none
    for name in own:
        del known[name]
    placed = [name for name, each in known.items() if each.kind is not each.KEYWORD_ONLY]
    open_ended = any(each.kind is each.VAR_KEYWORD for each in known.values())

    @wraps(function)
    def checked(*args: Any, **given: Any) -> Any:
        bound, args = args[: len(own)], args[len(own) :]
        if len(args) > len(placed):
            first = next(iter(known))
            raise InputError(f"{title} takes its arguments by name.", hint=f"Write {first}=….")
        given |= dict(zip(placed, args, strict=False))
        hints = get_type_hints(function)
        for name in given:
            if name not in known and not open_ended:
                hint = close_to(name, known).rstrip() or f"There are: {', '.join(known)}."
                raise InputError(f"{title} has no argument {name!r}.", hint=hint, field=name)
        for name, each in known.items():
            needed = each.default is each.empty and each.kind is not each.VAR_KEYWORD
            if needed and (name not in given or (given[name] is None and not _takes_none(hints.get(name)))):
                raise InputError(f"{title} needs {name}.", hint=f"Give {name}=….", field=name)
        records = _records(hints)
        for name, value in given.items():
            if value is None:
                continue
            if Path in (members := _members(hints.get(name))):
                given[name] = _path(name, value, members)
            elif name in records and not isinstance(value, records[name]):
                given[name] = _record(name, value, records[name])
            else:
                _check(name, value, hints.get(name))
        return function(*bound, **given)

    return checked


def places_of(given: object, name: str) -> list[str]:
    """Paths or addresses, one or several, as texts.

    Raises:
        InputError: It is neither, nor a list of them; with the argument's name.
    """
    several = given if isinstance(given, Iterable) and not isinstance(given, str | Path) else [given]
    return [each if isinstance(each, str) else str(path_of(each, name)) for each in several]


def _path(name: str, value: Any, members: tuple[type, ...]) -> Any:
    """A path where nothing else may be given. An address is none: a path has no "//" in it."""
    if not set(members) <= {Path, str} or (str in members and isinstance(value, str) and is_address(value)):
        return value
    return path_of(value, name)


def _short_repr(self: Any) -> str:
    shown: list[str] = []
    for each in fields(self):
        value = getattr(self, each.name)
        usual = each.default if each.default_factory is MISSING else each.default_factory()
        if each.repr and value != usual:
            shown.append(f"{each.name}={_short(value)}")
    return f"{type(self).__name__}({', '.join(shown)})"


def _short(value: object) -> str:
    if isinstance(value, Record):
        changed = [
            f"{name}={_short(each)}"
            for name, each in value
            if each != type(value).model_fields[name].get_default(call_default_factory=True)
        ]
        return f"{type(value).__name__}({', '.join(changed)})"
    return reprlib.repr(value)


def _takes_none(hint: Any) -> bool:
    return hint is None or type(None) in get_args(hint)


def _check(name: str, value: object, hint: Any) -> None:
    """Refuse what cannot be a text, a model, a callback or one of a few words.

    Raises:
        InputError: With the argument's name.
    """
    members = _members(hint)
    if members and set(members) <= set(PLAIN) and not _is_one_of(value, members):
        words = " or ".join(PLAIN[each] for each in members)
        raise InputError(f"{name} is not {words} but {value!r}.", hint=f"Give {words}.", field=name)
    if name in MODELS and not isinstance(value, str):
        kind, method = MODELS[name]
        if not callable(getattr(value, method, None)):
            raise InputError(
                f"{name} is neither a name nor a model but {value!r}.",
                hint=f"Give the name of a model, or an object with the methods of {kind}.",
                field=name,
            )
    if name == "progress" and not callable(value):
        raise InputError(
            f"progress cannot be called: {value!r}.", hint="Give a function that takes an event.", field=name
        )
    choices = get_args(members[0]) if len(members) == 1 and get_origin(members[0]) is Literal else ()
    if choices and value not in choices:
        words = ", ".join(map(repr, choices))
        raise InputError(f"{name} cannot be {value!r}.", hint=f"It is one of {words}.", field=name)


def _records(hints: Mapping[str, Any]) -> dict[str, type[Record]]:
    """The arguments that are one record, or None, such as options and limits."""
    found: dict[str, type[Record]] = {}
    for name, hint in hints.items():
        records = [each for each in _members(hint) if isinstance(each, type) and issubclass(each, Record)]
        if len(records) == 1 and name != "return":
            found[name] = records[0]
    return found


def _members(hint: Any) -> tuple[type, ...]:
    """The types that an argument may have, but for None."""
    each = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(one for one in each if one is not type(None))


def _is_one_of(value: object, members: tuple[type, ...]) -> bool:
    """Whether a value is of one of these types; True is no number, and a whole number is a number."""
    if isinstance(value, bool):
        return bool in members
    return isinstance(value, (*members, int) if float in members else members)


def _record(name: str, value: object, record: type[Record]) -> Record:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{name} is no {record.__name__} but {value!r}.", hint=f"Give {record.__name__}(…).", field=name
        )
    try:
        return record.model_validate(dict(value))
    except ValidationError as error:
        raise wrong_value(record, error) from None
