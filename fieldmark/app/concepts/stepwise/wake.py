"""Has a process that waits beside a concept go on: a small file calls it, another one says that it is done.

The process keeps what is slow to load between two answers. It does not hold the concept while it waits.
"""

import secrets
from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.reading import read_bytes
from fieldmark.records import Record

CALLED, RESTED = "called.json", "rested.json"


class Call(Record):
    """That a conversation is to go on."""

    token: str
    """Names this call and no other."""
    more: bool = False
    """Whether a further conversation is to begin where the last one is over."""


def call(folder: Path, *, more: bool = False) -> None:
    """Call whoever waits beside a concept."""
    _write(folder / CALLED, Call(token=secrets.token_hex(8), more=more))


def read_call(folder: Path) -> Call | None:
    """The latest call; None where there was none."""
    return _read(folder / CALLED)


def rest(folder: Path, done: Call | None) -> None:
    """Say that what this call asked for is done."""
    if done is not None:
        _write(folder / RESTED, done)


def is_done(folder: Path) -> bool:
    """Whether the latest call is done."""
    return read_call(folder) == _read(folder / RESTED)


def last_call(folder: Path) -> float:
    """When somebody called last, in seconds since 1970; 0 where nobody did."""
    try:
        return (folder / CALLED).stat().st_mtime
    except OSError:
        return 0.0


def _write(path: Path, call: Call) -> None:
    write_whole(path, (call.model_dump_json().encode(),))


def _read(path: Path) -> Call | None:
    try:
        return Call.model_validate_json(read_bytes(path))
    except (OSError, ValidationError):
        return None
