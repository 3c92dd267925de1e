"""Has conversations go on in processes of their own, and says whether one is at it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fieldmark.app.concepts.wake import call, is_done
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import TalkTask

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

    Args:
        home: Where concepts, answers and vectors are kept.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def go_on(self, folder: Path, *, more: bool = False) -> None:
        """Call the process that waits; start one where none does."""
        job, task = Job.of(folder, TalkTask.KIND), TalkTask.by_settings()
        waits = job.status
        if waits is not None and waits.running and waits.task != task and is_done(folder):
            job.cancel()
            until = time.monotonic() + END_S
            while (still := job.status) is not None and still.running and time.monotonic() < until:
                time.sleep(0.05)
        call(folder, more=more)
        job.start(task, home=self._home)

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
