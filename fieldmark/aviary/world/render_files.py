"""Renders many pictures to files, in this process or in several that are started for it."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldmark.aviary.world.render import render
from fieldmark.errors import FieldmarkError

JPEG_QUALITY = 92
_SERIAL_LIMIT = 200
"""So few pictures are done before another process has started."""


@dataclass(frozen=True, slots=True)
class FileTask:
    """One picture to be rendered to a file; plain values, so that it can be sent as JSON."""

    file: str
    marks: dict[str, str]
    habitat: str
    light: str
    seed: int
    size: int
    difficulty: float
    beside: dict[str, str] | None = None


def render_files(
    tasks: Sequence[FileTask], *, workers: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Render every task to its file; the bytes do not depend on the number of workers.

    The processes are started as commands of their own and not with `multiprocessing`, which would run
    the caller's main module again: this works from scripts without a guard, from notebooks, from
    standard input and within tests alike.

    Args:
        tasks: What to render; the folders of the files must exist.
        workers: Processes; few tasks are rendered in this one.
        progress: Called in this thread with (files done, files in all) now and then.

    Raises:
        FieldmarkError: If a process fails; the files rendered so far stay.
    """
    if workers == 1 or len(tasks) <= _SERIAL_LIMIT or not sys.executable:
        for done, task in enumerate(tasks, 1):
            render_file(task)
            _tell(progress, done, len(tasks))
        return
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    running = [_start(tasks[number::workers], news) for number in range(workers)]
    try:
        done = ended = 0
        while ended < workers:
            if news.get():
                done += 1
                _tell(progress, done, len(tasks))
            else:
                ended += 1
    finally:
        for process in running:
            process.kill()
            process.wait()
    if done < len(tasks):
        raise FieldmarkError(
            f"Rendering stopped after {done} of {len(tasks)} pictures: a process ended early.",
            hint="Look for its own message above, check disk space and memory, or use workers=1.",
        )


def render_file(task: FileTask) -> None:
    """Render one task to its file, JPEG of quality 92."""
    picture = render(
        task.marks,
        habitat=task.habitat,
        light=task.light,
        seed=task.seed,
        size=task.size,
        difficulty=task.difficulty,
        beside=task.beside,
    )
    picture.save(Path(task.file), "JPEG", quality=JPEG_QUALITY)


def _start(tasks: Sequence[FileTask], news: "queue.SimpleQueue[bool]") -> "subprocess.Popen[str]":
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fieldmark.aviary.world.render_files"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )

    def follow() -> None:
        try:
            if process.stdin is not None and process.stdout is not None:
                with process.stdin as told:
                    told.write(json.dumps([asdict(task) for task in tasks]))
                for _ in process.stdout:
                    news.put(True)
        except OSError:
            # The process died while it was told its tasks: counted as undone by the caller.
            pass
        finally:
            news.put(False)

    threading.Thread(target=follow, daemon=True).start()
    return process


def _tell(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None and (done % 25 == 0 or done == total):
        progress(done, total)


def main() -> int:
    """Render the tasks given as JSON on standard input; write a line for each one that is done."""
    for row in json.load(sys.stdin):
        render_file(FileTask(**row))
        sys.stdout.write(".\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
