"""Reads what runs left behind, and joins several of them into the rows of one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import InputError, RunError
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.records import MethodRun, Row, TestRecord
from fieldmark.evals.table.rows import rows_of
from fieldmark.evals.table.run import RUNS, TRUTH, Earlier
from fieldmark.tools.runs.folder import RunFolder


@dataclass
class SettingRuns:
    """All runs on one setting of one data set."""

    truth: TestRecord
    runs: list[MethodRun] = field(default_factory=list[MethodRun])


def setting_runs(folder: RunFolder) -> list[SettingRuns]:
    """What an evaluation left in its folder, a setting after the other.

    Raises:
        RunError: A file in it cannot be read.
    """
    found: list[SettingRuns] = []
    for inside in sorted((folder.path / RUNS).glob(f"*/{TRUTH}")):
        own = RunFolder(inside.parent)
        files = sorted(path for path in inside.parent.glob("*.json") if path.name != TRUTH)
        found.append(
            SettingRuns(own.read(TRUTH, TestRecord), [own.read(path.name, MethodRun) for path in files])
        )
    return found


def runs_behind(folder: RunFolder) -> list[SettingRuns]:
    """The runs that the table in a folder was made from: its own, or those that were joined in it.

    Raises:
        RunError: A file cannot be read, or a folder that was joined is no longer there.
    """
    of = folder.config.options.get("runs")
    if not isinstance(of, list):
        return setting_runs(folder)
    return joined([RunFolder.open(folder.path.parent, str(each)) for each in of])


def joined(folders: Sequence[RunFolder]) -> list[SettingRuns]:
    """The runs of several evaluations, those on the same test images together.

    Where two have the same method and seed, the one of the later folder counts.

    Raises:
        InputError: There is nothing to join, or two folders hold different images under one setting, or were
            measured on it with different encoders.
    """
    together: dict[tuple[str, str], SettingRuns] = {}
    first: dict[tuple[str, str], RunFolder] = {}
    for folder in folders:
        for each in setting_runs(folder):
            name = (each.truth.data, each.truth.setting)
            known = together.setdefault(name, SettingRuns(each.truth))
            check_same_encoder(first.setdefault(name, folder), folder)
            if known.truth.data_hash != each.truth.data_hash:
                raise InputError(
                    f"{folder.path} has other images, classes or shots of {name[0]} ({name[1]}) than the "
                    "runs before it.",
                    hint="Join runs with the same seed and shots, or make a table of each.",
                )
            later = {(run.method, run.seed): run for run in (*known.runs, *each.runs)}
            known.runs = list(later.values())
    if not together:
        raise InputError(
            "There is nothing to join: no folder holds a finished method.",
            hint="Name run folders of `Evaluator` or `fieldmark eval`.",
        )
    return list(together.values())


def check_same_encoder(one: RunFolder, other: RunFolder) -> None:
    """Refuse to put rows of different encoders side by side, as if the methods had made the difference.

    Raises:
        InputError: The two were measured with different CLIP models.
    """
    models = [(run.config.options.get("clip"), run.config.options.get("encoder")) for run in (one, other)]
    (name, identity), (other_name, other_identity) = models
    if identity == other_identity:
        return
    difference = f"{other_name}, not {name}"
    if name == other_name:
        difference = f"{name} both, but of other weights, precision, reference pool or version"
    raise InputError(
        f"{other.path} was measured with another CLIP model than {one.path} ({difference}).",
        hint="Join runs with one model, or make a table of each.",
    )


def table_rows(
    settings: Sequence[SettingRuns],
    methods: Sequence[EvalMethod],
    *,
    baseline: str,
    control: str,
    resamples: int,
) -> tuple[Row, ...]:
    """The rows of all settings."""
    return tuple(
        row
        for each in settings
        for row in rows_of(
            each.runs, each.truth, methods, baseline=baseline, control=control, resamples=resamples
        )
    )


def earlier_in(out: Path) -> Earlier:
    """Where a method was measured before, among all runs of a folder, by the identity of the result."""
    known = {run.identity: run for run in _all_runs(out) if run.outcome == "done"}
    return lambda identity: known.get(identity)


def _all_runs(out: Path) -> Iterator[MethodRun]:
    for path in sorted(out.glob(f"*/{RUNS}/*/*.json")):
        if path.name == TRUTH:
            continue
        try:
            yield RunFolder(path.parent).read(path.name, MethodRun)
        except RunError:  # of another version, or damaged: it is measured anew
            continue
