"""Scores runs anew in processes of their own; the folder's lock keeps two from the same run."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.records import Record

_log = logging.getLogger(__name__)

MODULE = "fieldmark.studio.score"


class Scored(Record):
    """How a scoring ended.

    `message` and `hint` say what went wrong; both are empty where nothing did.
    """

    message: str = ""
    hint: str = ""


Worker = Callable[[Path], Scored]
"""Scores the run in a folder, and says how that ended; it takes as long as it takes."""


@dataclass
class Scoring:
    """A run that is being scored, or was.

    Attributes:
        begun: When, on the monotonic clock.
        ended: How it ended; None while it goes on.
    """

    begun: float = field(default_factory=time.monotonic)
    ended: Scored | None = None

    @property
    def seconds(self) -> float:
        """How long it has been at it."""
        return time.monotonic() - self.begun


def in_a_process(run: Path) -> Scored:
    """Score a run in a process that goes on when this one ends."""
    with subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", MODULE, str(run)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        said, _ = process.communicate()
    try:
        return Scored.model_validate(json.loads(said.splitlines()[-1]))
    except (ValueError, IndexError):
        return Scored(
            message="The scoring ended before it was done.", hint="Labels are kept. Score the run again."
        )


class Scorings:
    """What is being scored in this server.

    Args:
        worker: What scores a run.
    """

    def __init__(self, worker: Worker = in_a_process) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._known: dict[Path, Scoring] = {}

    def of(self, run: Path) -> Scoring | None:
        """The latest scoring of a run; None where there was none."""
        with self._lock:
            return self._known.get(run)

    def begin(self, run: Path) -> Scoring:
        """Begin to score a run; the one that goes on where it is at it already."""
        with self._lock:
            known = self._known.get(run)
            if known is not None and known.ended is None:
                return known
            begun = self._known[run] = Scoring()
        threading.Thread(target=self._work, args=(run, begun), daemon=True).start()
        return begun

    def _work(self, run: Path, scoring: Scoring) -> None:
        try:
            scoring.ended = self._worker(run)
        except OSError as error:
            scoring.ended = Scored(message=f"The scoring could not be begun: {error.strerror}.")
        except Exception:
            # Whatever it was: a page that waits for an end must get one.
            _log.exception("Scoring %s failed.", run)
            scoring.ended = Scored(
                message="The scoring failed; the server's log says why.", hint="Labels are kept."
            )
