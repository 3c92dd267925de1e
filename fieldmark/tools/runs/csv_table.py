"""Writes CSV tables that a spreadsheet and a terminal take as data, whatever texts stand in them."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError

_FORMULA = re.compile(r"\s*[=+\-@]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BETWEEN = "|"
"""Stands between the names in a cell."""
_OWN, _ESCAPED, _PART = re.compile(r"[\\|]"), re.compile(r"\\([\\|])"), re.compile(r"(?:\\[\\|]|[^|])+")

Cell = str | int | float | bool | None


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""A table as CSV: a comma between cells, CRLF behind lines.

    A text that a spreadsheet would run as a formula, such as "=1+1" or "@x", gets an apostrophe in front,
    which makes it a text. Control characters, such as the one that begins a terminal's commands, are written
    as "\x1b". Numbers stay as they are.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(map(_plain, head))
    table.writerows(map(_plain, row) for row in rows)
    return text.getvalue()


def write_csv(path: Path, text: str) -> None:
    """Write a table that `csv_text` made.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        write_whole(path, (text.encode("utf-8", "replace"),))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", hint="Give another file.") from error


def as_cell(text: str) -> str:
    """A text as `csv_text` writes it."""
    shown = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def joined(names: Iterable[str]) -> str:
    r"""Names in one cell: "|" between them, and a "|" or "\" of a name's own written as "\|" and "\\"."""
    return BETWEEN.join(_OWN.sub(r"\\\g<0>", name) for name in names)


def parted(cell: str) -> list[str]:
    """The names that `joined` put into a cell; none where it is blank."""
    return [_ESCAPED.sub(r"\1", part) for part in _PART.findall(cell)]


def _plain(cell: Cell) -> Cell:
    return as_cell(cell) if isinstance(cell, str) else cell
