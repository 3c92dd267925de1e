"""The folder a run leaves behind: configuration, events, predictions, book, manifest."""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.errors import RunError, close_to
from fieldmark.reading import read_bytes, read_lines
from fieldmark.records import Prediction, PromptBook, RunConfig, RunManifest, path_of
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.runs.events import Event, Logged, Progress
from fieldmark.tools.runs.predictions_csv import predictions_csv

T = TypeVar("T", bound=BaseModel)

LATEST = "latest"
"""Stands for the latest run of a kind, where a run is asked for."""
KINDS = {
    "classify": "classification",
    "multi": "classification with several labels an image",
    "optimize": "prompt search",
    "eval": "evaluation",
    "discover": "search for names",
    "simulate": "simulation of owners",
}
"""What a run of each kind is called in messages."""

ANEW = "Start a new run: what was answered and encoded comes from the cache."
"""What helps where a file of a run is damaged."""
ROOM = "Make room on the disk or repair it, then go on with the run: what was answered is kept."
"""What helps where a file of a run cannot be written."""


def new_run_id(kind: str) -> str:
    """A run id that sorts by time and does not collide: "20260102-030405-classify-1a2b"."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{kind}-{secrets.token_hex(2)}"


def now() -> str:
    """The current time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunFolder:
    """One run's folder under `runs/`.

    Args:
        path: The folder itself; it is created.

    Raises:
        RunError: The folder cannot be created or written.
    """

    anew: ClassVar[str] = ANEW
    """What helps where a file in it is damaged."""

    def __init__(self, path: Path | str) -> None:
        self.path = path_of(path, "path")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"The run folder {str(path)!r} cannot be created: {error.strerror}.",
                hint="Choose another folder.",
                field="out",
            ) from error

    @classmethod
    def create(cls, parent: Path, *, kind: str, options: dict[str, JsonValue]) -> "RunFolder":
        """Make a new run folder and write its `config.json` before anything else."""
        run_id = new_run_id(kind)
        folder = cls(parent / run_id)
        config = RunConfig(kind=kind, run_id=run_id, created=now(), options=options)
        folder.write("config.json", config)
        return folder

    @classmethod
    def open(cls, parent: Path | str, run_id: Path | str, *, kind: str | None = None) -> "RunFolder":
        """Open an earlier run by its id, or by a path to its folder.

        Args:
            parent: Where runs are.
            run_id: The id, or the path; "latest" is the latest run of that kind.
            kind: The kind that the run must be of; any, where not given. Where the run is not there, the
                latest of these are named.

        Raises:
            RunError: There is no such run, or it is of another kind.
        """
        parent = path_of(parent, "parent")
        given = path_of(run_id, "run_id")
        there = sorted((path.parent for path in parent.glob("*/config.json")), reverse=True)
        of_kind = (path for path in there if kind in (None, _kind_of(path)))
        if str(run_id) == LATEST and (newest := next(of_kind, None)):
            return cls(newest)
        for path in (parent / given, given):
            if is_there(path / "config.json"):
                found = cls(path)
                if kind is not None and found.config.kind != kind:
                    what = KINDS.get(kind, kind)
                    raise RunError(f"Run {run_id} is no {what} but {found.config.kind!r}.")
                return found
        known = [path.name for path in islice(of_kind, 5)]
        of_it = f" of {kind}" if kind else ""
        if str(run_id) == LATEST:
            raise RunError(
                f"There is no run{of_it} in {str(parent)!r} yet.", hint="Say where runs are.", field="out"
            )
        hint = close_to(str(run_id), [path.name for path in there])
        hint += (
            f"The latest runs{of_it} there: {', '.join(known)}." if known else f"No run{of_it} is there yet."
        )
        raise RunError(f"There is no run {str(run_id)!r} in {str(parent)!r}.", hint=hint)

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def config(self) -> RunConfig:
        """The configuration the run was started with."""
        return self.read("config.json", RunConfig)

    def write(self, name: str, record: BaseModel) -> Path:
        """Write one record as indented JSON, atomically."""
        return self.write_text(name, record.model_dump_json(indent=2) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file in UTF-8, atomically.

        Raises:
            RunError: It cannot be written.
        """
        path = self.path / name
        try:
            write_whole(path, (text.encode(),))
        except OSError as error:
            raise _unwritten(path, error) from error
        return path

    def read(self, name: str, model: type[T]) -> T:
        """Read one record back.

        Raises:
            RunError: The file is missing or is no such record.
        """
        path = self.path / name
        try:
            return model.model_validate_json(read_bytes(path))
        except (OSError, ValidationError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is damaged, or of another version"
            raise RunError(f"{str(path)!r} cannot be read: {said or error}.", hint=self.anew) from error

    def event(self, event: Logged) -> None:
        """Append one line to `events.jsonl`."""
        stamp = {"time": now(), "at": round(time.monotonic(), 3), "event": event.line}
        line = json.dumps({**stamp, **event.model_dump(mode="json")}, ensure_ascii=False)
        path = self.path / "events.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise _unwritten(path, error) from error

    def keeping(self, progress: Progress) -> Progress:
        """A `Progress` that keeps what is to be kept in `events.jsonl` before it shows it."""

        def tell(event: Event) -> None:
            if isinstance(event, Logged):
                self.event(event)
            progress(event)

        return tell

    def write_predictions(self, predictions: Iterable[Prediction]) -> None:
        """Write `predictions.jsonl` and `predictions.csv`."""
        rows = list(predictions)
        lines = "".join(p.model_dump_json() + "\n" for p in rows)
        self.write_text("predictions.jsonl", lines)
        self.write_text("predictions.csv", predictions_csv(rows))

    def read_predictions(self) -> Iterator[Prediction]:
        """The predictions of a finished run, in order."""
        path = self.path / "predictions.jsonl"
        number = 0
        try:
            for line in read_lines(path):
                number += 1
                if line:
                    yield Prediction.model_validate_json(line)
        except OSError as error:
            raise RunError(
                f"{str(path)!r} cannot be read: {error.strerror}.",
                hint="A run has predictions once it is finished: go on with it.",
            ) from error
        except ValidationError as error:
            raise RunError(
                f"Line {number} of {str(path)!r} is no prediction: the file is damaged.", hint=ANEW
            ) from error

    def write_book(self, book: PromptBook) -> Path:
        """Write `book.json`, the portable result."""
        return self.write("book.json", book)

    def write_manifest(self, manifest: RunManifest) -> Path:
        """Write `manifest.json`; the last thing a run does."""
        return self.write("manifest.json", manifest)


def _unwritten(path: Path, error: OSError) -> RunError:
    return RunError(f"{str(path)!r} cannot be written: {error.strerror or error}.", hint=ROOM)


def _kind_of(folder: Path) -> str | None:
    """What kind of run a folder is of; None where its configuration cannot be read."""
    try:
        return RunFolder(folder).config.kind
    except RunError:
        return None
