"""Jobs whose workers are real processes and need no model."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job, JobStart, JobStatus
from fieldmark.app.jobs.tasks import BuildTask

Begin = Callable[[str], Job]


def until_over(job: Job) -> JobStatus:
    for _ in range(3000):
        status = job.status
        assert status is not None
        if not status.running:
            return status
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def started(job: Job) -> JobStart:
    return JobStart.model_validate_json((job.path / jobs.STARTED).read_bytes())


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Begins a build that does what the given word says; whatever goes on at the end is killed."""
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    job = Job.of(tmp_path, "build")

    def begun(name: str) -> Job:
        (tmp_path / "script.txt").write_text(name)
        assert job.start(BuildTask(), home=tmp_path / "home")
        return job

    yield begun
    status = job.status
    if status is not None and status.running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started(job).pid, signal.SIGKILL)
