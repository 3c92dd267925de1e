"""Gives a run a name that people read, and deletes one; says beforehand what would be lost."""

from pathlib import Path

from fieldmark.app.jobs.job import JOBS, Job
from fieldmark.app.review.listing import KIND, NAME, RunName, all_folders, kind_of, name_of, summary_of_run
from fieldmark.app.review.results import has_result
from fieldmark.cache.folders import remove_folder
from fieldmark.errors import InputError, RunError
from fieldmark.records import Record
from fieldmark.tools.runs.folder import KINDS, RunFolder
from fieldmark.tools.runs.run import held_alone

LONGEST_NAME = 100
"""Characters."""


class RunHolding(Record):
    """A run of any kind, and what would be lost with it."""

    run_id: str
    name: str
    """What it is called; empty where nobody named it."""
    kind: str
    """In words."""
    holds: tuple[str, ...]


def run_to_manage(parent: Path, run_id: str) -> RunFolder:
    """A run of any kind in a folder; its name is only compared, never made a path.

    Raises:
        InputError: There is no such run.
    """
    for path in all_folders(parent):
        if path.name == run_id:
            return RunFolder(path)
    raise InputError("There is no such run.", hint="It may be deleted by now.")


def holding(run: RunFolder) -> RunHolding:
    """What a run holds; no prediction is read."""
    kind = kind_of(run.path)
    if kind == KIND:
        found = summary_of_run(run)
        counts = ((found.images, "prediction"), (found.labels, "label by you"))
        holds = tuple(f"{n:,} {_many(what, n)}" for n, what in counts if n)
    else:
        holds = ("its result",) if has_result(run) else ()
    return RunHolding(
        run_id=run.run_id, name=name_of(run), kind=KINDS.get(kind or "", "run"), holds=(*holds, "its pages")
    )


def rename_run(run: RunFolder, to: str) -> str:
    """Give a run a name that people read; an empty one takes it back. Its folder keeps its own.

    Returns:
        The name as it is kept.

    Raises:
        InputError: The name is too long.
        RunError: It cannot be written.
    """
    name = " ".join(to.split())
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"A name has at most {LONGEST_NAME} characters, and this one has {len(name)}.",
            hint="Choose a shorter one.",
        )
    run.write(NAME, RunName(name=name))
    return name


def delete_run(run: RunFolder) -> None:
    """Delete a run for good: its folder, but none of its pictures, nor what was answered and exported.

    Raises:
        RunError: The run is being worked on, or its folder is a link or cannot be removed.
    """
    jobs = run.path / JOBS
    states = [Job(path).status for path in jobs.iterdir()] if jobs.is_dir() else []
    if any(state is not None and state.running for state in states):
        raise RunError(f"Run {run.run_id} is being worked on.", hint="Wait for its end, or cancel it first.")
    with held_alone(run.path, work="the run", hint="Wait for its end, then delete it."):
        clear = remove_folder(run.path)
    clear()


def _many(what: str, number: int) -> str:
    first, _, rest = what.partition(" ")
    return what if number == 1 else f"{first}s {rest}".rstrip()
