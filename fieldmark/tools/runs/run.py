"""One process's work on a run: its folder, held alone; what an earlier process left; how it ends."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from fieldmark.errors import FieldmarkError, LimitReached, RunError
from fieldmark.records import RunManifest
from fieldmark.tools.runs.events import Progress, RunDropped, RunOpened, no_progress
from fieldmark.tools.runs.folder import RunFolder

MANIFEST = "manifest.json"
LOCK = "lock"
BEGUN = frozenset({"config.json", MANIFEST, LOCK})
"""What lies in the folder of a run that has done nothing yet."""
HELD = "Wait until that process ends, or stop it; then go on with the run."
RESUMED = "Resumed after a kill: what the killed process spent is not counted."


@dataclass(kw_only=True)
class Run:
    """What a process works on, from the moment the folder is there until the manifest is written.

    Attributes:
        folder: The run's folder.
        resumed: Whether an earlier process began the run.
        stopped: The manifest that the earlier process left; None where there is none. Pass it to
            `write_manifest` as `earlier`, which adds what was spent then.
        stopping: Writes a manifest with a given reason. It is called where an error or Ctrl-C ends the
            work: what was spent counts when the run is resumed.
    """

    folder: RunFolder
    resumed: bool = False
    stopped: RunManifest | None = None
    stopping: Callable[[str], object] | None = None

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The note that some process ended without saying what it spent; empty where none did."""
        killed = self.resumed and (self.stopped is None or RESUMED in self.stopped.notes)
        return (RESUMED,) if killed else ()


@contextmanager
def open_run(
    earlier: RunFolder | None,
    *,
    parent: Path,
    kind: str,
    options: Mapping[str, JsonValue],
    progress: Progress = no_progress,
) -> Iterator[Run]:
    """Begin a run, or go on with an earlier one, and hold its folder alone meanwhile.

    Args:
        earlier: The run to go on with; None begins a new one.
        parent: Where the folder of a new run goes.
        kind: What kind of run a new one is: "classify", "optimize", …
        options: How a new run is started; kept in its `config.json` before anything else is written.
        progress: Called with where the folder is.

    A new run that fails before it has done anything leaves no folder.

    Raises:
        RunError: The folder cannot be made, or another process works in it.
    """
    folder = earlier or RunFolder.create(parent, kind=kind, options=dict(options))
    try:
        with worked_in(folder, resumed=earlier is not None) as run:
            progress(RunOpened(path=folder.path))
            yield run
    except FieldmarkError as error:
        if earlier is None and not isinstance(error, LimitReached) and only_begun(folder):
            shutil.rmtree(folder.path, ignore_errors=True)
            progress(RunDropped(path=folder.path))
        raise


def only_begun(folder: RunFolder) -> bool:
    """Whether a run has done nothing yet: its folder holds nothing but how it was started and ended."""
    return {each.name for each in folder.path.iterdir()} <= BEGUN


@contextmanager
def worked_in(folder: RunFolder, *, resumed: bool, work: str = "the run", hint: str = HELD) -> Iterator[Run]:
    """Hold a folder alone for one process's work, and note why the work ends where it is cut short.

    Args:
        folder: The folder.
        resumed: Whether an earlier process worked in it.
        work: What is worked on, for the message: "the run", "the concept".
        hint: What to do where another process works in it.

    Raises:
        RunError: Another process works in it, or the manifest in it is damaged.
    """
    with held_alone(folder.path, work=work, hint=hint):
        run = Run(folder=folder, resumed=resumed, stopped=manifest_of_stop(folder))
        try:
            yield run
        except BaseException as error:
            if run.stopping is not None:
                with suppress(OSError, FieldmarkError):  # the first fault is the one to report
                    run.stopping(stop_reason_of(error))
            raise


@contextmanager
def held_alone(folder: Path, *, work: str, hint: str) -> Iterator[None]:
    """Hold a folder alone; the lock goes with the process, however that ends.

    Args:
        folder: The folder. A file `lock` is made in it, and stays.
        work: What is worked on, for the message: "the run", "the concept".
        hint: What to do where somebody else holds it.

    Raises:
        RunError: Somebody else holds it: another process, or another call in this one.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"Another process is working on {work} in {folder}.", hint=hint) from None
    try:
        yield
    finally:
        lock.release()


def manifest_of_stop(folder: RunFolder) -> RunManifest | None:
    """The manifest of a run that stopped before; None where it is new or was killed."""
    return folder.read(MANIFEST, RunManifest) if (folder.path / MANIFEST).is_file() else None


def stop_reason_of(error: BaseException) -> str:
    """Why a run ends with an error, in the manifest's word."""
    if isinstance(error, LimitReached):
        return "budget"
    return "failed" if isinstance(error, Exception) else "interrupted"
