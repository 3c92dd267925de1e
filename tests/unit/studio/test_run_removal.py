"""A run gets a name that people read, and is deleted once it was said what is lost."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.managing import LONGEST_NAME
from fieldmark.app.jobs.tasks import ScoreTask
from fieldmark.cache.folders import GOING
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import held_alone
from tests.unit.app.jobs.conftest import until_over
from tests.unit.studio.studio_runs import FORM, HERE, desk_for, form_token, made_run, visitor


def at(run: RunFolder) -> str:
    return f"/runs/{run.run_id}/manage"


def say(client: TestClient, run: RunFolder, what: str, **said: str) -> str:
    token = form_token(client.get(at(run)).text)
    headers = {**FORM, "referer": HERE + at(run)}
    return client.post(f"{at(run)}/{what}", data={"form_token": token, **said}, headers=headers).text


def test_a_run_is_called_what_its_owner_calls_it(client: TestClient, run: RunFolder) -> None:
    told = say(client, run, "rename", to="  my <b>spring</b>  walk ")
    assert "It is called" in told
    for page in ("/", f"/runs/{run.run_id}"):
        assert "my &lt;b&gt;spring&lt;/b&gt; walk" in client.get(page).text
    assert f"a name has at most {LONGEST_NAME}" in say(client, run, "rename", to="x" * 101).casefold()
    assert "my &lt;b&gt;spring" in client.get("/").text
    (run.path / "name.json").write_text("damaged")
    assert "my &lt;b&gt;spring" not in client.get("/").text
    assert "no name of its own" in say(client, run, "rename", to="")


def test_a_run_is_deleted_when_what_is_lost_was_read(
    client: TestClient, run: RunFolder, tmp_path: Path
) -> None:
    other = made_run(tmp_path / "runs", tmp_path / "others", count=4)
    (run.path.parent / f"{GOING}left").mkdir()  # of a deletion that was killed
    page = client.get(at(run)).text
    assert "This is lost for good: 8 predictions, its pages." in page
    assert "Say that you have read what is lost." in say(client, run, "delete")
    assert run.path.is_dir()
    assert f"The run {run.run_id} is deleted." in say(client, run, "delete", sure="yes")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [other.run_id]
    assert len(list((tmp_path / "pictures").iterdir())) == 8
    assert client.get(at(run)).status_code == 404


def test_a_run_that_is_worked_on_stays(
    client: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with held_alone(run.path, work="the run", hint=""):
        told = say(client, run, "delete", sure="yes")
    assert "Another process is working on the run" in told
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    (run.path / "script.txt").write_text("sleep")
    job = Job.of(run.path, ScoreTask.KIND)
    job.start(ScoreTask(), home=tmp_path / "home")
    told = say(client, run, "delete", sure="yes")
    job.cancel()
    until_over(job)
    assert "is being worked on. Wait for its end, or cancel it first." in told
    assert run.path.is_dir()


def test_nothing_outside_of_the_runs_is_deleted(run: RunFolder, tmp_path: Path) -> None:
    outside = made_run(tmp_path / "elsewhere", tmp_path / "others", count=4)
    link = RunFolder(tmp_path / "runs" / "20260102-030405-classify-1a2b")
    link.path.rmdir()
    link.path.symlink_to(outside.path)
    client = visitor(desk_for(tmp_path))
    assert "is a link. Delete the folder where it lies." in say(client, link, "delete", sure="yes")
    assert outside.config.kind == "classify"
    for name in ("..", "%2e%2e%2felsewhere", f"{GOING}x", outside.run_id):
        assert client.get(f"/runs/{name}/manage").status_code == 404
