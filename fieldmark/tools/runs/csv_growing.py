"""A CSV table that grows as images come in: rows go to its end, and it tells which images it has."""

import csv
import io
import os
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.tools.runs.csv_table import as_cell

ANOTHER = "Give a file that is not there yet."


class GrowingCsv:
    """Appends tables of one head to a file; what it held before stays, whoever wrote it.

    Only a last row that a power cut left without its end is taken off, so that its image is labelled again.

    Args:
        path: The file; made by the first rows.

    Raises:
        InputError: It cannot be read or written, or is no table with a column "image".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head: list[str] = []
        self._images: set[str] = set()
        if not path.exists():
            if not os.access(path.absolute().parent, os.W_OK):
                raise InputError(
                    f"{path} cannot be written: its folder is not there, or not ours.", hint=ANOTHER
                )
            return
        try:
            data = read_bytes(path)
            rows = _rows(data)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{path} cannot be read as a table: {error}.", hint="Give another file."
            ) from error
        if not data:
            return
        self._head = rows[0] if rows else []
        if "image" not in self._head:
            raise InputError(f'{path} is no table that could grow: it has no column "image".', hint=ANOTHER)
        if not data.endswith((b"\n", b"\r")):
            self._end(data, torn=len(rows[-1]) < len(self._head))
        place = self._head.index("image")
        self._images = {row[place] for row in rows[1:] if len(row) == len(self._head)}

    def has(self, image: Path) -> bool:
        """Whether it has a row of this image."""
        return as_cell(str(image)) in self._images

    def check(self, table: str) -> None:
        """Refuse a table, as `csv_text` made it, that has another head.

        Raises:
            InputError: It has.
        """
        if self._head and next(csv.reader(io.StringIO(table, newline=""))) != self._head:
            raise InputError(f"{self.path} is a table with other columns.", hint=ANOTHER)

    def append(self, table: str) -> None:
        """Append the rows of a table, as `csv_text` made it, with its head.

        Raises:
            InputError: Its head is another one, or the file cannot be written.
        """
        self.check(table)
        head = table[: table.index("\r\n") + 2]
        rows = table[len(head) :] if self._head else table
        try:
            with self.path.open("ab") as file:
                file.write(rows.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}.", hint="Give another file."
            ) from error
        self._head = next(csv.reader(io.StringIO(head, newline="")))

    def _end(self, data: bytes, *, torn: bool) -> None:
        """End the last line; take the last row off where it is torn."""
        try:
            if torn:
                os.truncate(self.path, _before_last_row(data))
            else:
                with self.path.open("ab") as file:
                    file.write(b"\r\n")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}.", hint="Give another file."
            ) from error


def _rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def _before_last_row(data: bytes) -> int:
    """Bytes before the last row; a line feed within quotes ends no row."""
    rows, end = len(_rows(data)), len(data)
    while (end := data.rfind(b"\n", 0, end)) > 0 and len(_rows(data[: end + 1])) >= rows:
        pass
    return end + 1
