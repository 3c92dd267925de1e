"""Parquet: loads pyarrow where it is first needed, and reads a table's rows as texts."""

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fieldmark.errors import InputError
from fieldmark.reading import open_regular

SUFFIX = ".parquet"
MOST_BYTES = 1 << 30
"""Of cells that are read."""
MOST_CELLS = 50_000_000
_BATCH = 1024


def arrow(module: str = "pyarrow") -> Any:
    """A module of pyarrow; it ships no types.

    Raises:
        InputError: The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            "Parquet needs the package pyarrow.", hint='Install it: pip install "fieldmark[parquet]".'
        ) from None


def parquet_rows(path: Path, *, head_as: Callable[[str], str] = str.strip) -> list[dict[str, str]]:
    """The rows of a Parquet table, each with its columns of texts, numbers and truth values by name.

    Where the library `datasets` wrote the table, a picture's cell is its path, and a class's number its name.
    Pictures themselves, lists and vectors are not read.

    Args:
        path: The file.
        head_as: How a column's name is read.

    Raises:
        InputError: It cannot be read, is too large, has a class number without a name, or pyarrow is missing.
    """
    parquet = arrow("pyarrow.parquet")
    try:
        with open_regular(path) as file:
            table = parquet.ParquetFile(file)
            schema = table.schema_arrow
            classes = _classes(schema)
            columns = {name: found for name in schema.names if (found := _texts(schema.field(name)))}
            if table.metadata.num_rows * max(len(columns), 1) > MOST_CELLS:
                raise ValueError(f"{table.metadata.num_rows:,} rows are too many")
            rows: list[dict[str, str]] = []
            held = 0
            for batch in table.iter_batches(_BATCH, columns=list(columns.values())):
                held += batch.nbytes
                if held > MOST_BYTES:
                    raise ValueError("its texts are too large")
                cells = {name: _column(batch, name, classes.get(name)) for name in columns}
                names = [head_as(name) for name in cells]
                rows += [dict(zip(names, row, strict=True)) for row in zip(*cells.values(), strict=True)]
            return rows
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        MemoryError,
        NotImplementedError,
        RecursionError,
    ) as error:
        said = (getattr(error, "strerror", None) or " ".join(str(error).split())[:200]).rstrip(".")
        raise InputError(
            f"{str(path)!r} cannot be read as a Parquet table: {said}.", hint="Is it the right file?"
        ) from error


def _texts(field: Any) -> str | None:
    """What is read of a column: itself, the path of a picture, or nothing."""
    types = arrow().types
    if types.is_struct(field.type):
        return f"{field.name}.path" if field.type.get_field_index("path") >= 0 else None
    unfit = types.is_nested(field.type) or types.is_binary(field.type) or types.is_large_binary(field.type)
    return None if unfit or types.is_null(field.type) else field.name


def _classes(schema: Any) -> dict[str, tuple[str, ...]]:
    """Column → names of its classes, by what `datasets` wrote beside the schema."""
    written = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    info = written.get("info", {}) if isinstance(written, Mapping) else None
    features = info.get("features", {}) if isinstance(info, Mapping) else None
    if not isinstance(features, Mapping):
        raise ValueError("what it says of its columns, under `huggingface`, has another form")
    return {
        str(name): tuple(map(str, each["names"]))
        for name, each in features.items()
        if isinstance(each, Mapping) and each.get("_type") == "ClassLabel"
    }


def _column(batch: Any, name: str, classes: tuple[str, ...] | None) -> list[str]:
    values = batch.column(name).to_pylist()
    if classes is not None:
        wrong = next((each for each in values if each is not None and not -1 <= each < len(classes)), None)
        if wrong is not None:
            raise ValueError(f"the column {name!r} has the class {wrong}; there are {len(classes)} names")
        return ["" if each is None or each < 0 else classes[each] for each in values]
    if values and isinstance(next((each for each in values if each is not None), None), Mapping):
        values = [each["path"] if each else None for each in values]
    return ["" if each is None else str(each) for each in values]
