"""One sort of long work in one folder: starts it, says how it stands, cancels it.

Everything is read from files (`jobs/KIND/` in the folder), so that it holds for whoever looks, also after the
server that started the work has ended.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from fieldmark.app.jobs.event_log import read_told
from fieldmark.app.jobs.process import identity_of
from fieldmark.app.jobs.stages import WorkStages, stages_of
from fieldmark.app.jobs.tasks import Task
from fieldmark.cache.folders import private_folder, write_whole
from fieldmark.errors import RunError
from fieldmark.reading import read_bytes
from fieldmark.records import Record

JOBS = "jobs"
STARTED, ENDED, CANCEL, EVENTS, LOG = "started.json", "ended.json", "cancel.json", "events.jsonl", "log.txt"
WORKER = "fieldmark.app.jobs.worker"
BEGUN = b"begun"
"""What a worker says once it is noted that it works; another one that is at it already is no worker."""
GRACE_S = 15.0
"""How long a worker that was asked to end may take, in seconds."""
T = TypeVar("T", bound=BaseModel)

JobState = Literal["running", "ending", "ended", "failed", "cancelled", "died"]


class JobStart(Record):
    """Who works, on what, and since when."""

    job: str
    """A name of this piece of work, unlike any before."""
    pid: int
    process: str
    """See `identity_of`."""
    at: float
    """Seconds since 1970."""
    task: Task


class JobEnd(Record):
    """How a job ended, by its own word.

    `message` and `hint` say what went wrong; both are empty where nothing did.
    """

    job: str
    at: float
    cancelled: bool = False
    limit: bool = False
    """Whether a limit of what may be spent ended it."""
    message: str = ""
    hint: str = ""
    result: JsonValue = None


class JobCancel(Record):
    """That a job is to end."""

    job: str
    at: float


class JobStatus(Record):
    """How a job stands."""

    job: str
    state: JobState
    """"ending" while one that was cancelled still runs; "died" where it ended without a word: killed, or the
    machine was switched off. All but the first three may be started again and go on where they were."""
    task: Task
    at: float
    """When it was started, in seconds since 1970."""
    ended: float | None = None
    limit: bool = False
    message: str = ""
    hint: str = ""
    result: JsonValue = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state in ("running", "ending")


@dataclass(frozen=True)
class Job:
    """One sort of work in one folder; there is one at a time.

    Attributes:
        path: The job's own folder.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, kind: str) -> Self:
        """The job of a kind ("build", …) in the folder of a concept or a run."""
        return cls(folder / JOBS / kind)

    @property
    def status(self) -> JobStatus | None:
        """How it stands; None where there was never one."""
        started = self._read(STARTED, JobStart)
        if started is None:
            return None
        # In this order: a process that is gone by now may have said how it ended just before.
        alive = identity_of(started.pid) == started.process
        ended = self._read(ENDED, JobEnd)
        cancel = self._read(CANCEL, JobCancel)
        cancelled = cancel is not None and cancel.job == started.job
        state: JobState
        said = {"job": started.job, "task": started.task, "at": started.at}
        if ended is not None and ended.job == started.job:
            state = "cancelled" if ended.cancelled else "failed" if ended.message else "ended"
            told = ended.model_dump(include={"limit", "message", "hint", "result"})
            return JobStatus(**said, state=state, ended=ended.at, **told)
        live, dead = ("ending", "cancelled") if cancelled else ("running", "died")
        state = live if alive else dead
        return JobStatus(**said, state=state)

    @property
    def stages(self) -> WorkStages:
        """What it did so far, stage by stage."""
        return stages_of(read_told(self.path / EVENTS))

    @property
    def stamp(self) -> tuple[int, ...]:
        """Changes whenever there is something new to say, but for a process that dies."""
        found: list[int] = []
        for name in (STARTED, EVENTS, ENDED, CANCEL):
            try:
                there = (self.path / name).stat()
            except OSError:
                found += [0, 0]
            else:
                found += [there.st_mtime_ns, there.st_size]
        return tuple(found)

    def start(self, task: Task, *, home: Path) -> bool:
        """Start a process that does the work, and return once it has begun; it goes on when this one ends.

        Args:
            task: The work.
            home: Where concepts, answers and vectors are kept.

        Returns:
            False where such a job goes on already; then nothing was done.

        Raises:
            RunError: The process cannot be started, or the folder cannot be written.
        """
        status = self.status
        if status is not None and status.running:
            return False
        private_folder(self.path)
        try:
            with (self.path / LOG).open("ab") as log:
                worker = subprocess.Popen(  # noqa: S603 (our own module; the task goes through a pipe)
                    [sys.executable, "-m", WORKER, str(self.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, "FIELDMARK_HOME": str(home)},
                )
            said = _first_word(worker, task.model_dump_json().encode())
        except OSError as error:
            raise _unstarted(f": {error.strerror or error}") from error
        # Its end is noticed at once, so that no dead process lies about.
        threading.Thread(target=worker.wait, daemon=True).start()
        if said == BEGUN:
            return True
        status = self.status
        if status is not None and status.running:
            return False
        raise _unstarted("")

    def cancel(self) -> bool:
        """Have the work end; what was done is kept. One that does not end in time is killed.

        Returns:
            False where nothing goes on.
        """
        started = self._read(STARTED, JobStart)
        status = self.status
        if started is None or status is None or not status.running or identity_of(started.pid) is None:
            return False
        earlier = self._read(CANCEL, JobCancel)
        if earlier is not None and earlier.job == started.job:
            if time.time() - earlier.at > GRACE_S:
                _signal(started, signal.SIGKILL)
            return True
        write_whole(
            self.path / CANCEL,
            (JobCancel(job=started.job, at=time.time()).model_dump_json().encode(),),
        )
        _signal(started, signal.SIGINT)
        timer = threading.Timer(GRACE_S, _signal, (started, signal.SIGKILL))
        timer.daemon = True
        timer.start()
        return True

    def again(self, *, home: Path) -> bool:
        """Start the same work again; it goes on where it was.

        Returns:
            False where it goes on already, or there was none.
        """
        status = self.status
        return status is not None and not status.running and self.start(status.task, home=home)

    def _read(self, name: str, model: type[T]) -> T | None:
        try:
            return TypeAdapter(model).validate_json(read_bytes(self.path / name))
        except (OSError, ValidationError):
            return None


def _first_word(worker: subprocess.Popen[bytes], task: bytes) -> bytes:
    """Hand a worker its task, and wait for what it says of it; empty where it ends without a word."""
    given, told = worker.stdin, worker.stdout
    if given is None or told is None:
        return b""  # not met: both pipes were asked for
    with told:
        with suppress(BrokenPipeError), given:
            given.write(task)
        return told.readline(64).strip()


def _signal(started: JobStart, number: signal.Signals) -> None:
    """Signal a worker and all its processes, unless it is gone and its number another's."""
    if identity_of(started.pid) == started.process:
        try:
            os.killpg(started.pid, number)
        except ProcessLookupError:
            return


def _unstarted(why: str) -> RunError:
    return RunError(f"The work could not be started{why}.", hint="Try again; nothing was lost.")
