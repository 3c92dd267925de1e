"""Does the work of one job: `python -m fieldmark.app.jobs.worker FOLDER`, the task as JSON on its input."""

import logging
import os
import secrets
import signal
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from fieldmark.app.jobs.event_log import EventLog
from fieldmark.app.jobs.job import BEGUN, CANCEL, ENDED, EVENTS, STARTED, JobEnd, JobStart
from fieldmark.app.jobs.process import identity_of
from fieldmark.app.jobs.tasks import Task
from fieldmark.cache.folders import write_whole
from fieldmark.errors import FieldmarkError, LimitReached, RunError
from fieldmark.tools.runs.run import held_alone


def main(folder: Path) -> None:
    """Do one job in its folder, and write down how it ended."""
    task: Task = TypeAdapter[Task](Task).validate_json(sys.stdin.buffer.read())
    # A server that was started in the background ignores Ctrl-C, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with held_alone(folder, work="this", hint=""):
            _work(folder, task)
    except RunError:
        return  # another worker is at it: nothing is to be said


def _work(folder: Path, task: Task) -> None:
    job = secrets.token_hex(8)
    os.ftruncate(2, 0)
    logging.basicConfig(level=logging.WARNING)
    for name in (ENDED, CANCEL):
        (folder / name).unlink(missing_ok=True)
    progress = EventLog(folder / EVENTS)
    started = JobStart(
        job=job, pid=os.getpid(), process=identity_of(os.getpid()) or "", at=time.time(), task=task
    )
    write_whole(folder / STARTED, (started.model_dump_json().encode(),))
    with suppress(OSError):  # the server may have gone meanwhile; the work is done all the same
        os.write(1, BEGUN + b"\n")
    os.dup2(2, 1)  # what libraries print goes where errors go; nobody reads the pipe any more
    said: dict[str, object] = {}
    try:
        said["result"] = task.work(folder.parents[1], progress)
    except KeyboardInterrupt:
        said["cancelled"] = True
    except FieldmarkError as error:
        said |= {"message": error.message, "hint": error.hint, "limit": isinstance(error, LimitReached)}
    except (OSError, sqlite3.Error) as error:
        logging.exception("The disk refused.")
        said |= {"message": f"The disk refused: {error}.", "hint": "What was done is kept. Make room."}
    except Exception:
        # Whatever it was: a page that waits for an end must get one.
        logging.exception("The work failed.")
        said |= {"message": "Something went wrong here.", "hint": f"{folder / 'log.txt'} says what."}
    ended = JobEnd.model_validate({"job": job, "at": time.time(), **said})
    write_whole(folder / ENDED, (ended.model_dump_json().encode(),))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
