"""Loads pyarrow, which reads and writes Parquet, where it is first needed."""

import importlib
from typing import Any

from fieldmark.errors import InputError


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
