"""Reads tables as programs write them: CSV of any usual separator and letters, and Parquet."""

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.tools import parquet
from fieldmark.tools.books.files import refuse

SUFFIXES = (".csv", ".tsv", parquet.SUFFIX)
"""How files end that are read as such tables."""
MOST_BYTES = 1 << 30
_SEPARATORS = ",;\t"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_csv(
    path: Path, columns: Sequence[str] = (), *, head_as: Callable[[str], str] = str.strip
) -> list[dict[str, str]]:
    """The rows of a CSV file, or of a Parquet table (`parquet_rows`), each with its columns by name.

    The separator is the comma, semicolon or tab that splits the head into most columns; a first line "sep=;"
    names it. Text is UTF-8, what a byte-order mark says, or, where it is no UTF-8, Windows-1252.

    Args:
        path: The file.
        columns: The columns that every row must have; all that are there, where none is given.
        head_as: How a column's name in the head is read.

    Raises:
        InputError: It cannot be read, lacks a column, or has a row that is too short.
    """
    if path.suffix.lower() == parquet.SUFFIX:
        table = parquet.parquet_rows(path, head_as=head_as)
        for column in columns if table else ():
            if column not in table[0]:
                refuse(path, f"has no column {column!r}", hint="Is it the right file?")
        return table
    try:
        text = _decoded(read_bytes(path, most=MOST_BYTES))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        refuse(path, f"is no CSV file: {error}", hint="Save it as CSV in UTF-8.")
    if "\0" in text:
        refuse(path, "is no CSV file: it holds zero bytes", hint="Is it the right file?")
    first, _, rest = text.partition("\n")
    named = first.strip().lower()
    if named.startswith("sep=") and len(named) == 5:
        separator, text = named[4], rest
    else:
        separator = max(_SEPARATORS, key=lambda each: _columns(text, each))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        head = [head_as(name) for name in next(reader, [])]
        for column in columns:
            if column not in head:
                refuse(path, f"has no column {column!r}", hint="Is it the right file?")
        places = {name: place for place, name in reversed(list(enumerate(head))) if name}
        wanted = {name: places[name] for name in columns} or places
        needed = max((wanted[name] for name in columns), default=-1)
        rows: list[dict[str, str]] = []
        for cells in reader:
            if not any(cells):  # Excel leaves ";;" behind where rows were emptied
                continue
            if len(cells) <= needed:
                refuse(path, f"is too short in line {reader.line_num}")
            rows.append({name: cells[place] for name, place in wanted.items() if place < len(cells)})
        return rows
    except csv.Error as error:
        raise InputError(f"{str(path)!r} is no CSV file: {error}.", hint="Is it the right file?") from error


def _columns(text: str, separator: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
    except csv.Error:
        return 0


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")
