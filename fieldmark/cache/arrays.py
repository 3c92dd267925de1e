"""Stores arrays and JSON values by the hash of their content, one file each.

A file whose content no longer has its hash is an error, never data.
"""

import json
import os
import re
import time
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from fieldmark.cache._sqlite import translated
from fieldmark.cache.background_writer import BackgroundWriter
from fieldmark.cache.folders import TEMPORARY_SUFFIX, private_folder, sizes_and_times, write_whole
from fieldmark.cache.keys import canonical_json, digest
from fieldmark.cache.reports import BadEntry, StoreStats, VerifyReport, iso_time
from fieldmark.errors import CacheError
from fieldmark.reading import open_regular, read_bytes

Array = npt.NDArray[np.generic]

_HASH = re.compile(r"[0-9a-f]{64}")
_KINDS = "biufc"  # bool, int, unsigned, float, complex: nothing that numpy would pickle
_NPY_VERSION = (1, 0)
# What numpy's header parser raises for the various kinds of nonsense.
_HEADER_ERRORS = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError)
_MOST_BYTES = 1 << 32
_TEMPORARY_FOR_S = 3600  # a temporary file this old has no writer any more


class ArrayStore:
    """Arrays and JSON values in a folder, addressed by the SHA-256 of their content.

    Equal content has one file. Files are never changed, so any number of processes and threads may share the
    folder. A file appears whole or not at all.

    Attributes:
        folder: The folder, absolute, mode 0700.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = private_folder(folder)

    def put(self, array: Array) -> str:
        """Store an array of numbers or bools, of any shape.

        Returns:
            SHA-256 (64 hex digits) over its dtype (little-endian), shape and values. The memory layout
            makes no difference.

        Raises:
            TypeError: An array of objects, text, times or records.
            CacheError: It could not be stored.
        """
        plain = _plain(array)
        key = _array_hash(plain)
        path = self._path(key, "npy")
        header = BytesIO()
        described: dict[str, object] = {
            "descr": plain.dtype.str,
            "fortran_order": False,
            "shape": plain.shape,
        }
        np.lib.format.write_array_header_1_0(header, described)
        with translated(self.folder):
            if not self._kept(path):
                write_whole(path, (header.getvalue(), _bytes_of(plain)))
        return key

    def get(self, key: str) -> Array:
        """The array stored under a hash.

        Raises:
            CacheError: There is none, or its file is damaged.
        """
        path = self._path(key, "npy")
        with translated(self.folder):
            try:
                with open_regular(path) as file:
                    array = _read_array(file)
            except FileNotFoundError as error:
                raise _missing(path) from error
            except _HEADER_ERRORS as error:
                raise _damaged(path, str(error)) from error
        if _array_hash(array) != key:
            raise _damaged(path, "its content has another hash")
        return array

    def put_json(self, value: JsonValue, *, later: BackgroundWriter | None = None) -> str:
        """Store a JSON value.

        Args:
            value: The value.
            later: Writes the file, if given; until it has settled the value cannot be read.

        Returns:
            SHA-256 of its canonical JSON (`fieldmark.cache.keys.content_key`).

        Raises:
            TypeError: The value is not JSON.
            ValueError: NaN, an infinity, or a lone surrogate.
            CacheError: It could not be stored.
        """
        data = canonical_json(value).encode("utf-8")
        key = digest(data)
        path = self._path(key, "json")

        def write() -> None:
            with translated(self.folder):
                if not self._kept(path):
                    write_whole(path, (data,))

        if later is None:
            write()
        else:
            later.hand(write)
        return key

    def get_json(self, key: str) -> JsonValue:
        """The JSON value stored under a hash.

        Raises:
            CacheError: There is none, or its file is damaged.
        """
        path = self._path(key, "json")
        with translated(self.folder):
            try:
                data = read_bytes(path, most=_MOST_BYTES)
            except FileNotFoundError as error:
                raise _missing(path) from error
        if digest(data) != key:
            raise _damaged(path, "its content has another hash")
        return json.loads(data)

    def stats(self) -> StoreStats:
        """How much is stored.

        Raises:
            CacheError: The folder cannot be read.
        """
        with translated(self.folder):
            held = sizes_and_times(self._files())
        times = sorted(changed for _, changed in held)
        return StoreStats(
            entries=len(held),
            bytes=sum(size for size, _ in held),
            oldest=iso_time(times[0]) if times else None,
            newest=iso_time(times[-1]) if times else None,
        )

    def verify(self) -> VerifyReport:
        """Read every file and name those that cannot be returned. Nothing is changed.

        Raises:
            CacheError: The folder cannot be read.
        """
        checked, bad = 0, list[BadEntry]()
        with translated(self.folder):
            files = self._files()
        for path in files:
            checked += 1
            try:
                if path.suffix == ".npy":
                    self.get(path.stem)
                else:
                    self.get_json(path.stem)
            except CacheError as error:
                bad.append(BadEntry(key=path.stem, reason=error.message))
        return VerifyReport(checked=checked, bad=tuple(bad))

    def prune(self, older_than_days: float) -> int:
        """Remove the files that were last put more than so many days ago, and say how many.

        Raises:
            CacheError: The folder cannot be written.
            ValueError: A negative age.
        """
        if older_than_days < 0:
            raise ValueError(f"An age must not be negative: {older_than_days}.")
        return self._remove(before=time.time() - older_than_days * 86_400)

    def clear(self) -> int:
        """Remove every file, and say how many there were.

        Raises:
            CacheError: The folder cannot be written.
        """
        return self._remove(before=float("inf"))

    def _remove(self, *, before: float) -> int:
        removed = 0
        with translated(self.folder):
            for path in self._files():
                removed += _remove_older(path, before)
            # What a killed writer left behind goes too.
            for path in self.folder.glob(f".*{TEMPORARY_SUFFIX}"):
                _remove_older(path, min(before, time.time() - _TEMPORARY_FOR_S))
        return removed

    def _files(self) -> list[Path]:
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.suffix in (".npy", ".json") and _HASH.fullmatch(path.stem)
        )

    def _path(self, key: str, suffix: str) -> Path:
        # Hashes come out of checkpoints: a path must not be smuggled in as one.
        if not _HASH.fullmatch(key):
            raise CacheError(f"{key[:80]!r} is no content hash.", hint="It must be 64 hex digits.")
        return self.folder / f"{key}.{suffix}"

    def _kept(self, path: Path) -> bool:
        """Whether the file is there and sound; its age starts again, so that pruning spares it."""
        try:
            _ = self.get(path.stem) if path.suffix == ".npy" else self.get_json(path.stem)
            os.utime(path)
        except (CacheError, FileNotFoundError):
            return False
        return True


def _plain(array: Array) -> Array:
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"Only arrays of numbers and bools can be stored, not of {array.dtype}.")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _array_hash(plain: Array) -> str:
    hashed = sha256(canonical_json({"dtype": plain.dtype.str, "shape": list(plain.shape)}).encode("utf-8"))
    hashed.update(b"\n")
    hashed.update(_bytes_of(plain))
    return hashed.hexdigest()


def _bytes_of(plain: Array) -> memoryview:
    return plain.reshape(-1).view(np.uint8).data


def _read_array(file: BinaryIO) -> Array:
    """Read an .npy file of the one form that is written here.

    `numpy.load` would also take zip archives and pickles, and make room for whatever shape a header claims.
    """
    if np.lib.format.read_magic(file) != _NPY_VERSION:
        raise ValueError("not the version of the npy format that is written here")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran or dtype.kind not in _KINDS or dtype != dtype.newbyteorder("<"):
        raise ValueError("not a little-endian array of numbers in C order")
    # Makes room for what is in the file, not for what the header claims, and then they must agree.
    return np.frombuffer(bytearray(file.read()), dtype).reshape(shape)


def _remove_older(path: Path, before: float) -> bool:
    try:
        if path.stat().st_mtime < before:
            path.unlink()
            return True
    except FileNotFoundError:  # another process was quicker
        pass
    return False


def _missing(path: Path) -> CacheError:
    return CacheError(
        f"{path.name} is missing from {path.parent}.", hint="Run again from the start: it cannot be resumed."
    )


def _damaged(path: Path, reason: str) -> CacheError:
    return CacheError(
        f"{path} is damaged: {reason}.", hint="Delete the file and run again; it will be computed anew."
    )
