"""Writes the files of an export into a folder, whole, and reads them back with their hashes checked."""

import json
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes

CONFIG = "config.json"
MOST_BYTES = 1 << 28
"""The largest file that is read."""


def hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    return {name: sha256(data).hexdigest() for name, data in contents.items()}


def write_folder(
    out: Path,
    contents: Mapping[str, bytes],
    *,
    leftovers: Callable[[Path], Collection[Path]],
) -> None:
    """Write files into a folder, and read every one back.

    A new folder appears whole or not at all. In one that holds an earlier export the first file is replaced
    first: a copy that was cut short is refused by its hashes, and may be written again.

    Args:
        out: The folder.
        contents: Path in the folder → content; first the file that holds the hashes of the others.
        leftovers: The files of an earlier export in a folder that are no part of this one; they are removed.

    Raises:
        InputError: It cannot be written, or a file is not what was written.
    """
    out = out.absolute()  # "." has no name
    staging = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
    try:
        for name, data in contents.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _check(staging, contents)
        if out.exists():
            for name in contents:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).replace(out / name)
            for path in leftovers(out):
                path.unlink(missing_ok=True)
            _check(out, contents)
        else:
            staging.replace(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}.", hint="Give another folder.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def names_in(out: Path) -> set[str]:
    """Names of what lies in a folder that is to be written; empty where it is not there.

    Raises:
        InputError: It is no folder, or cannot be read.
    """
    if not out.exists():
        return set()
    if not out.is_dir():
        raise InputError(f"{out} is no folder.", hint="Give another name.")
    try:
        return {path.name for path in out.iterdir()}
    except OSError as error:
        raise InputError(f"{out} cannot be read: {error}.", hint="Give another folder.") from error


def format_of(folder: Path) -> str:
    """The format that an export's `config.json` names; empty where it names none.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    path = folder / CONFIG
    try:
        read = json.loads(read_bytes(path, most=MOST_BYTES))
    except FileNotFoundError:
        raise InputError(
            f"{folder} holds no exported classifier: {CONFIG} is missing.",
            hint="Give the folder that `fieldmark export` or `fieldmark concept export` wrote.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, first_words(error)) from None
    return str(read.get("format", "")) if isinstance(read, dict) else ""


def read_verified(path: Path, expected: str | None) -> bytes:
    """The content of a file whose SHA-256 is known.

    Raises:
        InputError: It is missing, too large, or not what was exported.
    """
    try:
        data = read_bytes(path, most=MOST_BYTES)
    except OSError as error:
        raise damaged(path, first_words(error)) from None
    if sha256(data).hexdigest() != expected:
        raise damaged(path, "its content is not what was exported")
    return data


def damaged(path: Path, why: str) -> InputError:
    """The error to raise where a file of an export cannot be used."""
    return InputError(f"{path} is damaged: {why}.", hint="Export the classifier again.")


def first_words(error: Exception) -> str:
    """The first complaint of an error, without a full stop."""
    if isinstance(error, ValidationError):
        first: Any = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _check(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in contents.items():
        if sha256(read_bytes(folder / name)).digest() != sha256(data).digest():
            raise InputError(
                f"{folder / name} is not what was written there.",
                hint="Look after the disk, or give another.",
            )
