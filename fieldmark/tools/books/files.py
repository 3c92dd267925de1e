"""Reads JSON files from elsewhere without trusting them, and reads and writes our own `book.json`."""

import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import PromptBook
from fieldmark.records.names import one_name

MOST_BYTES = 256 * 1024 * 1024
"""A larger file is no prompt file: ImageNet's thousand classes with fifty sentences each take 5 MB."""
ClassTexts: TypeAlias = dict[str, list[str]]
"""Class name to texts, in the file's order: the shape that most published files share."""
Count: TypeAlias = Mapping[str, int]


class _RepeatedKeyError(ValueError):
    """A JSON object that has a key twice, of which Python would silently keep the last."""


def read_json(path: Path, *, what: str = "The file") -> Any:
    """The value of a UTF-8 JSON file.

    Args:
        path: The file; a byte-order mark is allowed.
        what: What it is called where it cannot be read.

    Raises:
        InputError: It cannot be read, is larger than `MOST_BYTES`, is not UTF-8, is no JSON, is nested too
            deeply, or has an object with the same key twice.
    """
    try:
        data = read_bytes(path, most=MOST_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            refuse(path, f"is {error.strerror}", hint="Is it the right file?")
        raise InputError(
            f"{what} {str(path)!r} cannot be read: {error.strerror or error}.", hint="Check the path."
        ) from error
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except _RepeatedKeyError as error:
        refuse(path, f"has the key {error} twice in one object", hint="Remove or rename one of them.")
    except UnicodeDecodeError as error:
        refuse(path, f"is not UTF-8 (byte {error.start:,})", hint="Save it as UTF-8.")
    except RecursionError:
        refuse(path, "is nested too deeply", hint="Is it the right file?")
    except ValueError as error:
        refuse(path, f"is no JSON: {error}", hint="Is it the right file?")


def read_book(path: Path) -> PromptBook:
    """A prompt book, as a run leaves one behind in `book.json`.

    Raises:
        InputError: The file cannot be read or is no prompt book.
    """
    return book_of(read_json(path, what="The prompt book"), path)


def book_of(value: Any, path: Path) -> PromptBook:
    """The prompt book that a JSON value holds.

    Args:
        value: What `read_json` gave.
        path: Where it came from, for messages.

    Raises:
        InputError: It is no prompt book, lists a class twice, or has a text that cannot be written.
    """
    try:
        book = PromptBook.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = clipped(".".join(str(part) for part in first["loc"]))
        says = clipped(first["msg"].removeprefix("Value error, ").rstrip("."), most=200)
        refuse(
            path,
            f"is no prompt book: {f'{where}: ' if where else ''}{says}",
            hint="A run leaves one, book.json; `import_book` or `fieldmark book import` makes one of other "
            "projects' files.",
        )
    check_text(book.noun, path, "the noun", blank=False)
    for name in book.classes:
        check_text(name, path, "a class name", blank=False)
    for place, prompt in enumerate(book.prompts):
        origin = prompt.origin
        for text in (prompt.text, origin.question, origin.model, origin.attribute):
            check_text(text or "", path, f"prompt {place}")
    return book


def write_book(book: PromptBook, path: Path) -> None:
    """Write a prompt book, so that the file is there whole or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    _write(path, book.model_dump_json(indent=2))


def write_json(value: Any, path: Path) -> None:
    """Write a JSON value as other projects' files have it: indented, in the order given.

    Raises:
        InputError: The file cannot be written.
    """
    _write(path, json.dumps(value, ensure_ascii=False, indent=4))


def class_texts(value: Any, path: Path) -> ClassTexts:
    """A JSON value as class name to texts, the names folded into one spelling.

    Args:
        value: What `read_json` gave.
        path: Where it came from, for messages.

    Raises:
        InputError: It has another shape; the message names the first entry that does not fit.
    """
    if not isinstance(value, dict):
        refuse(path, f"holds {kind_of(value)}, not an object of classes", hint=hint_for(value))
    if not value:
        refuse(path, "holds no class", hint="Is it the right file?")
    made: ClassTexts = {}
    for given, texts in value.items():
        check_text(given, path, "a class name", blank=False)
        name = one_name(given)
        if name in made:
            refuse(path, f"has the class {clipped(name)!r} in two spellings", hint="Make one of them.")
        if not isinstance(texts, list):
            refuse(
                path,
                f"has {kind_of(texts)} for {clipped(name)!r}, not a list of texts",
                hint=hint_for(value),
            )
        for place, text in enumerate(texts):
            where = f"entry {place} of {clipped(name)!r}"
            if not isinstance(text, str):
                refuse(path, f"has {kind_of(text)} as {where}, not a text", hint=hint_for(value))
            check_text(text, path, where)
        made[name] = texts
    return made


def name_list(value: Any, path: Path) -> tuple[str, ...]:
    """A JSON value as a list of class names.

    Raises:
        InputError: It has another shape, or a name is blank or repeated.
    """
    if not isinstance(value, list):
        refuse(path, f"holds {kind_of(value)}, not a list of class names")
    for place, name in enumerate(value):
        if not isinstance(name, str):
            refuse(path, f"has {kind_of(name)} as entry {place}, not a class name")
        check_text(name, path, f"entry {place}", blank=False)
    names = tuple(map(one_name, value))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        refuse(path, f"lists the class {clipped(twice)!r} twice", hint="Remove one of them.")
    return names


def check_text(text: str, path: Path, where: str, *, blank: bool = True) -> None:
    """Refuse a text that cannot be written or, unless `blank`, says nothing.

    Raises:
        InputError: Half a surrogate pair, which JSON can escape but no file can hold; or a blank text.
    """
    if not (blank or text.strip()):
        refuse(path, f"has a blank for {where}", hint="Name it or remove it.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            refuse(path, f"has half a character in {where}: {clipped(text)!r}", hint="Correct that text.")


def refuse(path: Path, what: str, *, hint: str = "") -> NoReturn:
    """Raise an `InputError` that begins with the file."""
    raise InputError(f"{str(path)!r} {what}.", hint=hint)


def clipped(text: str, *, most: int = 80) -> str:
    """A text short enough for a message."""
    return text if len(text) <= most else f"{text[:most]}…"


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a text", dict: "an object", list: "a list", int: "a number", float: "a number"}
    return names[type(value)]


def hint_for(value: Any) -> str:
    """What to do with a file that holds no prompts, where it is known what it is instead."""
    if isinstance(value, dict) and "train" in value and {"train", "val", "test"}.issuperset(value):
        return "This is a data split (image files and labels), not prompts."
    if isinstance(value, dict) and all(key.isdecimal() and isinstance(v, str) for key, v in value.items()):
        return "This is a list of class names by label, not prompts."
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return "This is a list of names; for FuDD's pairs, import the pair file with these class names."
    return ""


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(repr(clipped(key)))
            seen.add(key)
    return made


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, (text.encode() + b"\n",))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error
