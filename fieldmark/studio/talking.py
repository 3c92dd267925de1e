"""Has conversations go on in processes of their own, and says whether one is at it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fieldmark.app.concepts.named import concept_home
from fieldmark.app.concepts.stepwise.wake import call, is_done, last_call
from fieldmark.app.jobs.job import JOBS, Job
from fieldmark.app.jobs.tasks import TalkTask

MOST = 2
"""Processes at once, as long as they only wait: each takes most of a gigabyte."""
END_S = 5.0
"""How long a process that only waits may take to end, in seconds."""


@dataclass(frozen=True)
class Going:
    """Whether a conversation goes on to its next question right now.

    Attributes:
        on: Whether it does.
        doing: What is being done, in words; empty where nothing is known.
        message: Why it could not go on the last time; empty where it could.
        hint: What to do about that.
    """

    on: bool = False
    doing: str = ""
    message: str = ""
    hint: str = ""


class Talks(Protocol):
    """Has conversations go on."""

    def go_on(self, folder: Path, *, more: bool = False) -> None:
        """Have the conversation about the concept in a folder go on, or the concept made that was wished."""
        ...

    def going(self, folder: Path) -> Going:
        """Whether it goes on."""
        ...


class TalkProcesses:
    """`Talks` in a process for each concept; it waits a while for the next answer.

    Where a further process would be one too many, the one that has waited longest is ended. Nothing is lost
    with it: the conversation lies in its concept's folder.

    Args:
        home: Where concepts, answers and vectors are kept.
        most: Processes at once; those that are at work are never ended, and may be more.
    """

    def __init__(self, home: Path, *, most: int = MOST) -> None:
        self._home = home
        self._most = most
        self._one_by_one = threading.Lock()  # a process is not called while it is being ended

    def go_on(self, folder: Path, *, more: bool = False) -> None:
        """Call the process that waits; start one where none does."""
        job, task = Job.of(folder, TalkTask.KIND), TalkTask.by_settings()
        with self._one_by_one:
            waits = job.status
            if waits is not None and waits.running and waits.task != task and is_done(folder):
                _end(job)
                waits = job.status
            call(folder, more=more)
            if waits is None or not waits.running:
                self._end_waiting(self._most - 1)
            job.start(task, home=self._home)

    def rest(self) -> None:
        """End all that only wait, as nobody will answer them."""
        with self._one_by_one:
            self._end_waiting(0)

    def _end_waiting(self, most: int) -> None:
        """End those that have waited longest, until there are no more than so many; none that is at work."""
        running = [folder for folder in self._folders() if _is_running(Job.of(folder, TalkTask.KIND))]
        waiting = sorted(filter(is_done, running), key=last_call)
        for folder in waiting[: max(0, len(running) - most)]:
            _end(Job.of(folder, TalkTask.KIND))

    def _folders(self) -> Iterator[Path]:
        for path in concept_home(self._home).glob(f"*/{JOBS}/{TalkTask.KIND}"):
            yield path.parents[1]

    def going(self, folder: Path) -> Going:
        """Whether it is at it, and what it does."""
        job = Job.of(folder, TalkTask.KIND)
        status = job.status
        if status is None:
            return Going()
        if not status.running:
            return Going(message=status.message, hint=status.hint)
        if is_done(folder):
            return Going()
        parts = job.stages.parts
        now = parts[-1] if parts else None
        counted = f": {now.done:,} of {now.of:,}" if now and now.of else ""
        return Going(on=True, doing=f"{now.words}{counted}" if now else "")


def _is_running(job: Job) -> bool:
    status = job.status
    return status is not None and status.running


def _end(job: Job) -> None:
    job.cancel()
    until = time.monotonic() + END_S
    while _is_running(job) and time.monotonic() < until:
        time.sleep(0.02)
