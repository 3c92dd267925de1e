"""A CSV table that grows as images come in: rows go to its end, and it tells which images it has."""

import csv
import io
import os
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.tools.runs.csv_table import as_cell

LINE_END = b"\r\n"


class GrowingCsv:
    """Appends tables of one head to a file; what it held before stays.

    A row that a power cut left without its end is taken off, so that its image is labelled again.

    Args:
        path: The file; made by the first rows.

    Raises:
        InputError: It cannot be read or written, or is no table with a column "image".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head = ""
        self._images: set[str] = set()
        if not path.exists() or not path.stat().st_size:
            return
        try:
            data = read_bytes(path)
            whole = data[: data.rfind(LINE_END) + len(LINE_END)] if LINE_END in data else data
            rows = list(csv.reader(io.StringIO(whole.decode("utf-8"), newline="")))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{path} cannot be read as a table: {error}.", hint="Give another file."
            ) from error
        head = rows[0] if rows else []
        if "image" not in head:
            raise InputError(
                f'{path} is no table that could grow: it has no column "image".',
                hint="Give a file that is not there yet.",
            )
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        self._head = _line(head)
        place = head.index("image")
        self._images = {row[place] for row in rows[1:] if len(row) == len(head)}

    def has(self, image: Path) -> bool:
        """Whether it has a row of this image."""
        return as_cell(str(image)) in self._images

    def append(self, table: str) -> None:
        """Append the rows of a table, as `csv_text` made it, with its head.

        Raises:
            InputError: Its head is another one, or the file cannot be written.
        """
        head = _line(next(csv.reader(io.StringIO(table, newline=""))))
        if self._head and head != self._head:
            raise InputError(
                f"{self.path} is a table with other columns.", hint="Give a file that is not there yet."
            )
        rows = table if not self._head else table[len(head) :]
        try:
            with self.path.open("ab") as file:
                file.write(rows.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}.", hint="Give another file."
            ) from error
        self._head = head


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()
