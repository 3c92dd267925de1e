"""One process's work on a run: begun or gone on with, held alone, and never ended without a word."""

from pathlib import Path

import pytest

from fieldmark.errors import EndpointError, LimitReached, RunError
from fieldmark.records import RunManifest, Usage
from fieldmark.records.usage import EncoderUsage
from fieldmark.tools.runs.events import Event, RunOpened
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import RESUMED, open_run, stop_reason_of


def manifest_of(folder: RunFolder, notes: tuple[str, ...]) -> RunManifest:
    return RunManifest(
        run_id=folder.run_id,
        kind="eval",
        created="2026-01-02T03:04:05+00:00",
        finished="2026-01-02T03:04:06+00:00",
        versions={},
        encoder={},
        language_model={},
        prompts={},
        data_hash="",
        usage=Usage(),
        encoder_usage=EncoderUsage(),
        stop_reason="budget",
        notes=notes,
    )


def test_a_new_run_keeps_how_it_was_started_and_says_where_it_is(tmp_path: Path) -> None:
    events: list[Event] = []
    with open_run(None, parent=tmp_path, kind="eval", options={"seed": 3}, progress=events.append) as run:
        assert (run.resumed, run.stopped, run.uncounted) == (False, None, ())
    assert events == [RunOpened(path=run.folder.path)]
    assert (run.folder.config.kind, run.folder.config.options) == ("eval", {"seed": 3})


def test_two_processes_never_work_on_one_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, kind="eval", options={})
    with (
        open_run(folder, parent=tmp_path, kind="eval", options={}),
        pytest.raises(RunError, match="Another process is working on the run"),
        open_run(folder, parent=tmp_path, kind="eval", options={}),
    ):
        pytest.fail("both hold it")
    with open_run(folder, parent=tmp_path, kind="eval", options={}):
        pass  # given back


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LimitReached("Enough."), "budget"),
        (EndpointError("Gone."), "failed"),
        (OSError("The disk is full."), "failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_an_early_end_is_written_down_and_raised(tmp_path: Path, error: BaseException, reason: str) -> None:
    said: list[str] = []
    with (
        pytest.raises(type(error)),
        open_run(None, parent=tmp_path, kind="eval", options={}) as run,
    ):
        run.stopping = said.append
        raise error
    assert said == [reason] == [stop_reason_of(error)]


def test_a_full_disk_does_not_hide_the_first_fault(tmp_path: Path) -> None:
    def full(reason: str) -> None:
        raise OSError(reason)

    with (
        pytest.raises(EndpointError),
        open_run(None, parent=tmp_path, kind="eval", options={}) as run,
    ):
        run.stopping = full
        raise EndpointError("Gone.")


@pytest.mark.parametrize(
    ("notes", "uncounted"), [(None, (RESUMED,)), ((), ()), (("A note.", RESUMED), (RESUMED,))]
)
def test_a_kill_is_remembered_for_good(
    tmp_path: Path, notes: tuple[str, ...] | None, uncounted: tuple[str, ...]
) -> None:
    folder = RunFolder.create(tmp_path, kind="eval", options={})
    if notes is not None:
        folder.write_manifest(manifest_of(folder, notes))
    with open_run(folder, parent=tmp_path, kind="eval", options={}) as run:
        assert run.resumed
        assert run.uncounted == uncounted
        assert (run.stopped is None) == (notes is None)
