"""Work in a process of its own: its state is in files, whoever started it and however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.process import identity_of
from fieldmark.app.jobs.tasks import BuildTask
from fieldmark.errors import RunError
from tests.unit.app.jobs.conftest import Begin, started, until_over


def until_at_work(job: Job) -> None:
    while not job.stages.notes:
        time.sleep(0.01)


def times(job: Job) -> int:
    return len((job.path.parents[1] / "done.txt").read_text().splitlines())


def test_work_ends_with_its_result_and_its_stages(begin: Begin, tmp_path: Path) -> None:
    assert Job.of(tmp_path, "build").status is None
    job = begin("plain")
    status = until_over(job)
    assert (status.state, status.result, status.message) == ("ended", {"version": 1}, "")
    assert status.task == BuildTask()
    assert [(part.words, part.done, part.of) for part in job.stages.parts] == [
        ("Judging images by the definition", 10, 10)
    ]
    assert job.stages.notes == ["Round 1: 5 more images are judged, as it is unsure about them."]
    assert (tmp_path / "done.txt").read_text() == f"plain {tmp_path / 'home'}\n"
    assert "a library says" in (job.path / jobs.LOG).read_text()


@pytest.mark.parametrize(
    ("name", "said", "limit"),
    [
        ("fail", "There is no such thing. Choose another.", False),
        ("limit", "No call is left. Allow more.", True),
    ],
)
def test_what_stops_the_work_is_said(begin: Begin, name: str, said: str, limit: bool) -> None:
    status = until_over(begin(name))
    assert (status.state, f"{status.message} {status.hint}", status.limit) == ("failed", said, limit)


def test_a_fault_of_ours_is_told_by_the_log_alone(begin: Begin) -> None:
    job = begin("break")
    status = until_over(job)
    assert status.state == "failed"
    assert "secret" not in status.message + status.hint
    assert "<secret>" in (job.path / jobs.LOG).read_text()


def test_there_is_one_at_a_time(begin: Begin, tmp_path: Path) -> None:
    job = begin("sleep")
    assert not job.start(BuildTask(), home=tmp_path)
    assert not job.again(home=tmp_path)
    # Also where the second one cannot see the first: its worker finds the folder held.
    (job.path / jobs.STARTED).rename(job.path / "aside")
    with pytest.raises(RunError):
        job.start(BuildTask(), home=tmp_path)
    (job.path / "aside").rename(job.path / jobs.STARTED)
    until_at_work(job)
    assert job.cancel()
    assert until_over(job).state == "cancelled"
    assert times(job) == 1


def test_a_cancelled_one_goes_on_when_it_is_asked_to(begin: Begin, tmp_path: Path) -> None:
    job = begin("sleep")
    first = started(job).job
    until_at_work(job)
    assert job.cancel()
    until_over(job)
    assert not job.cancel()
    assert job.again(home=tmp_path / "home")
    status = job.status
    assert status is not None
    assert (status.state, status.job != first) == ("running", True)
    until_at_work(job)
    assert times(job) == 2


def test_one_that_does_not_end_is_killed(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "GRACE_S", 0.2)
    job = begin("stubborn")
    until_at_work(job)  # from then on it does not listen
    os.kill(started(job).pid, 0)
    assert job.cancel()
    assert until_over(job).state == "cancelled"


def test_a_second_cancel_kills_where_the_server_of_the_first_is_gone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = begin("stubborn")
    until_at_work(job)
    monkeypatch.setattr(
        jobs.threading, "Timer", lambda *_: type("NoTimer", (), {"start": lambda self: None})()
    )
    assert job.cancel()
    status = job.status
    assert status is not None
    assert status.state == "ending"
    monkeypatch.setattr(jobs, "GRACE_S", 0.0)
    assert job.cancel()
    assert until_over(job).state == "cancelled"


def test_one_that_was_killed_is_seen_to_be_dead(begin: Begin) -> None:
    job = begin("sleep")
    os.killpg(started(job).pid, signal.SIGKILL)
    assert until_over(job).state == "died"


def test_a_process_that_got_its_number_is_not_taken_for_it(begin: Begin) -> None:
    job = begin("sleep")
    os.killpg(started(job).pid, signal.SIGKILL)
    until_over(job)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        note = started(job).model_copy(update={"pid": other.pid})
        (job.path / jobs.STARTED).write_text(note.model_dump_json())
        status = job.status
        assert status is not None
        assert status.state == "died"
        assert not job.cancel()
        assert identity_of(other.pid) not in (None, note.process)
        other.kill()
    assert identity_of(other.pid) is None


def test_it_goes_on_when_the_process_that_started_it_ends(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("sleep")
    starter = (
        "import sys, pathlib; from fieldmark.app.jobs import job; "
        "job.WORKER = 'tests.unit.app.jobs.scripted_worker'; "
        "from fieldmark.app.jobs.tasks import BuildTask; here = pathlib.Path(sys.argv[1]); "
        "job.Job.of(here, 'build').start(BuildTask(), home=here); "
        "import os; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", starter, str(tmp_path)], check=False)
    job = Job.of(tmp_path, "build")
    status = job.status
    assert status is not None
    assert status.state == "running"
    assert job.cancel()
    assert until_over(job).state == "cancelled"


def test_a_worker_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "WORKER", "tests.no_such_worker")
    job = Job.of(tmp_path, "build")
    with pytest.raises(RunError, match="could not be started"):
        job.start(BuildTask(), home=tmp_path)
    assert job.status is None
