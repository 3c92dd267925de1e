"""Writes a table block by block, as CSV or Parquet; it is there whole or not at all."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fieldmark.cache.folders import TEMPORARY_SUFFIX
from fieldmark.errors import InputError
from fieldmark.tools.parquet import arrow
from fieldmark.tools.runs.csv_table import csv_text


@dataclass(frozen=True)
class Coded:
    """A column of few distinct texts.

    Attributes:
        codes: Place of each row's text in `values` int32 `[N]`.
        values: The texts.
    """

    codes: npt.NDArray[np.int32]
    values: tuple[str, ...]

    def texts(self) -> list[str]:
        """The text of each row."""
        return np.array(self.values, dtype=object)[self.codes].tolist()


Column = npt.NDArray[np.generic] | Coded | Sequence[str]
"""Numbers `[N]`, texts, or texts of which there are few."""
Columns = Mapping[str, Column]


class BlockTable(Protocol):
    """A table that is written from its first row to its last."""

    def write(self, columns: Columns) -> None:
        """Append rows; every block has the same columns."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


@contextmanager
def block_table(path: Path) -> Iterator[BlockTable]:
    """Open a table for writing: Parquet where the name ends in ".parquet", else CSV.

    The rows go to a temporary file beside it, which takes its name in the end.

    Raises:
        InputError: It cannot be written, or pyarrow is not installed.
    """
    kind = _ParquetTable if _is_parquet(path) else _CsvTable
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        with _writing(path):
            table = kind(temporary)
        yield _Told(table, path)
        with _writing(path):
            table.close()
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_table(path: Path) -> None:
    """Refuse a table that cannot be written, before there is anything to write. Nothing is made.

    Raises:
        InputError: Its folder is not there or takes no files, it is a folder itself, or pyarrow is missing.
    """
    if _is_parquet(path):
        arrow()
    with _writing(path):
        if path.is_dir():
            raise InputError(f"{path} is a folder.", hint="Name a file to write.", field="table")
        if not path.parent.is_dir():
            raise InputError(f"There is no folder {path.parent}.", hint="Make it first.", field="table")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise InputError(
                f"{path} cannot be written: the folder takes no files.",
                hint="Give another file.",
                field="table",
            )


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error}.", hint="Give another file.", field="table"
        ) from error


@dataclass(frozen=True)
class _Told:
    """A table that says which file it is where it cannot be written."""

    table: BlockTable
    path: Path

    def write(self, columns: Columns) -> None:
        with _writing(self.path):
            self.table.write(columns)

    def close(self) -> None:
        with _writing(self.path):
            self.table.close()


class _CsvTable:
    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._begun = False

    def write(self, columns: Columns) -> None:
        text = csv_text(list(columns), zip(*map(_cells, columns.values()), strict=True))
        self._file.write((text.split("\r\n", 1)[1] if self._begun else text).encode("utf-8", "replace"))
        self._begun = True

    def close(self) -> None:
        self._file.close()


class _ParquetTable:
    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = arrow(), arrow("pyarrow.parquet")
        self._file = path.open("xb")
        self._writer: Any = None

    def write(self, columns: Columns) -> None:
        table = self._arrow.table({name: self._column(column) for name, column in columns.items()})
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._file.close()

    def _column(self, column: Column) -> Any:
        if isinstance(column, Coded):
            return self._arrow.DictionaryArray.from_arrays(column.codes, list(column.values))
        return self._arrow.array(column)


def _cells(column: Column) -> Sequence[Any]:
    if isinstance(column, Coded):
        return column.texts()
    return column.tolist() if isinstance(column, np.ndarray) else column
