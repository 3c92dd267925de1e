"""Keeps what a job says of itself as JSON lines, in a file that does not grow without end."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.tools.runs import concept_events, events
from fieldmark.tools.runs.events import Event, Step

MOST_BYTES = 512 * 1024
"""A longer file is made shorter: of events of one kind in a row the first and the last stay."""
EVERY_S = 0.5
"""Steps of one kind that follow sooner are passed over, but for the last of them."""
KINDS = {
    each.__name__: each
    for module in (events, concept_events)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Event) and each not in (Event, Step, events.Logged)
}


class ToldEvent(Record):
    """One event, and when it was."""

    at: float
    """Seconds since 1970."""
    event: Event


class EventLog:
    """Writes the events of one job, as its `progress`; the file begins empty.

    A disk that refuses stops no work: from then on nothing is written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._said: dict[str, float] = {}
        path.write_bytes(b"")

    def __call__(self, event: Event) -> None:
        """Write one event down."""
        kind, now = type(event).__name__, self._clock()
        if kind not in KINDS:
            return
        if isinstance(event, Step):
            if event.done < event.of and now - self._said.get(kind, 0.0) < EVERY_S:
                return
            self._said[kind] = now
        line = {"at": round(now, 2), "event": kind, **event.model_dump(mode="json")}
        try:
            with self._path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
            if self._path.stat().st_size > MOST_BYTES:
                self._shorten()
        except OSError:
            return

    def _shorten(self) -> None:
        runs = [list(run) for _, run in groupby(_rows(self._path), key=lambda row: row["event"])]
        kept = [row for run in runs for row in (run[:1] + run[-1:] if len(run) > 1 else run)]
        lines = [json.dumps(row).encode() + b"\n" for row in kept]
        while sum(map(len, lines)) > MOST_BYTES // 2:
            lines = lines[len(lines) // 2 + 1 :]
        shorter = self._path.with_suffix(".shorter")
        shorter.write_bytes(b"".join(lines))
        shorter.replace(self._path)


def read_told(path: Path) -> Iterator[ToldEvent]:
    """The events in a file, in order; what is no event that we know is passed over."""
    for row in _rows(path):
        fields = {name: value for name, value in row.items() if name not in ("at", "event")}
        try:
            yield ToldEvent(at=row["at"], event=KINDS[row["event"]].model_validate(fields))
        except (KeyError, ValidationError):
            continue


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Lines that are whole: a process that was killed may have left half of one."""
    try:
        lines = read_bytes(path).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and "event" in row and isinstance(row.get("at"), int | float):
            yield row
