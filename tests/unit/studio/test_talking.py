"""Conversations keep few processes: the one that has waited longest makes room, one at work never does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldmark.app.concepts.stepwise.wake import read_call, rest
from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.studio.talking import TalkProcesses
from tests.unit.app.jobs.conftest import started


@pytest.fixture
def concepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Folders of concepts whose processes do nothing for a minute."""
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    folders = [tmp_path / "concepts" / name for name in "abcd"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "script.txt").write_text("sleep")
    yield folders
    for folder in running(folders):
        os.killpg(started(Job.of(folder, "talk")).pid, signal.SIGKILL)


def running(folders: list[Path]) -> list[Path]:
    found = {folder: Job.of(folder, "talk").status for folder in folders}
    return [folder for folder, status in found.items() if status is not None and status.running]


def test_the_one_that_has_waited_longest_makes_room(concepts: list[Path], tmp_path: Path) -> None:
    a, b, c, d = concepts
    talks = TalkProcesses(tmp_path, most=2)
    for folder in (a, b):
        talks.go_on(folder)
        rest(folder, read_call(folder))
    talks.go_on(a)  # the later one to be called waits less long
    rest(a, read_call(a))
    assert running(concepts) == [a, b]
    talks.go_on(c)
    assert running(concepts) == [a, c]
    assert talks.going(c).on
    assert not talks.going(b).message
    talks.go_on(d)  # c is at work
    assert running(concepts) == [c, d]
    talks.go_on(a)
    assert running(concepts) == [a, c, d]
    for folder in (c, d):
        rest(folder, read_call(folder))
    talks.go_on(b)
    assert running(concepts) == [a, b]
    rest(a, read_call(a))
    talks.rest()  # the studio ends
    assert running(concepts) == [b]  # it is at work
