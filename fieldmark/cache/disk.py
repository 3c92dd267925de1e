"""The diskcache `Disk` of the byte store: text keys and bytes values in the row, never a pickle.

Anything else found in a row is refused, never unpickled.
"""

import sqlite3
from typing import Any, Literal, NoReturn

from diskcache import UNKNOWN, Disk  # pyright: ignore[reportMissingTypeStubs]

_MODE_RAW: Literal[1] = 1  # diskcache's number for "the value stands in the row as it is"
_MOST_BYTES = 500_000_000  # SQLite refuses a row of a billion bytes, and late


class RefusedRowError(Exception):
    """A row in a form that is never written here; the message says which."""


class BytesDisk(Disk):
    """Stores `str` keys and `bytes` values inside the SQLite row, and reads nothing else.

    diskcache's own `Disk` and `JSONDisk` unpickle a row whose mode column says so (CVE-2025-69872):
    anyone who can write to the folder can run code. Here no path leads to pickle, and no value lies in a file
    whose name a row could point elsewhere.

    diskcache does not remember the class: a folder must always be opened with it.
    """

    def put(self, key: object) -> tuple[Any, Literal[True]]:
        """Turn a key into what the row holds.

        Raises:
            TypeError: The key is no `str`.
        """
        if type(key) is not str:
            raise TypeError(f"A cache key must be a str, not {type(key).__name__}.")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """Turn what the row holds into a key.

        Raises:
            RefusedRowError: The row's key is not plain text.
        """
        if raw != 1 or type(key) is not str:
            raise RefusedRowError("the key is not plain text")
        return key

    def store(
        self, value: object, read: bool, key: object = UNKNOWN
    ) -> tuple[Literal[0], Literal[1], None, Any]:
        """Turn a value into the row's (size, mode, filename, value).

        Raises:
            TypeError: The value is no `bytes`, or is to be read from a file.
            ValueError: The value is too large for a row.
        """
        if read or type(value) is not bytes:
            raise TypeError(f"A cache value must be bytes, not {type(value).__name__}.")
        if len(value) > _MOST_BYTES:
            raise ValueError(f"A cache value may have at most {_MOST_BYTES} bytes, not {len(value)}.")
        return 0, _MODE_RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        """Turn a row into its value.

        Raises:
            RefusedRowError: The row is in any form but plain bytes in the row.
        """
        if mode != _MODE_RAW:
            raise RefusedRowError(f"stored in mode {mode!r} where only plain bytes are read")
        if read or filename is not None:
            raise RefusedRowError("the value is said to lie in a file")
        if type(value) is not bytes:
            raise RefusedRowError(f"the value is {type(value).__name__} where only bytes are read")
        return value

    def filename(self, key: object = UNKNOWN, value: object = UNKNOWN) -> NoReturn:
        """Refuse to name a file: values lie in rows.

        Raises:
            RefusedRowError: Always.
        """
        raise RefusedRowError("values are not kept in files")

    def remove(self, file_path: object) -> None:
        """Remove nothing: values lie in rows, so a file that a row names is none of ours."""
