"""Long work is watched, cancelled and gone on with from a page; what is no such work is not there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import BuildTask
from fieldmark.studio.routes import jobs as routes
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.unit.app.jobs.conftest import started, until_over
from tests.unit.studio.studio_concepts import made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, visitor


@pytest.fixture
def concept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConceptFolder]:
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    folder = made_concept(tmp_path)
    yield folder
    job = Job.of(folder.path, "build")
    if job.status is not None and job.status.running:
        os.killpg(started(job).pid, signal.SIGKILL)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return visitor(desk_for(tmp_path))


def at(concept: ConceptFolder, *parts: str) -> str:
    return "/".join([f"/concepts/{concept.run_id}/jobs/build", *parts])


def begun(concept: ConceptFolder, name: str) -> Job:
    job = Job.of(concept.path, "build")
    (concept.path / "script.txt").write_text(name)
    assert job.start(BuildTask(), home=concept.path.parents[1])
    return job


def token_of(client: TestClient) -> str:
    """Of the session; forms with it are on any page."""
    from fieldmark.studio.guard import COOKIE

    client.get("/")
    return client.app._access.form_token(client.cookies[COOKIE])  # type: ignore[attr-defined]


def test_a_job_is_told_as_json(concept: ConceptFolder, client: TestClient) -> None:
    assert client.get(at(concept)).status_code == 404
    until_over(begun(concept, "fail"))
    said = client.get(at(concept)).json()
    assert (said["state"], said["message"], said["hint"]) == (
        "failed",
        "There is no such thing.",
        "Choose another.",
    )
    assert said["stages"] == [{"words": "Judging images by the definition", "done": 10, "of": 10}]
    assert "task" not in said


def test_the_stream_shows_what_is_done_and_ends_with_it(
    concept: ConceptFolder, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LOOK_S", 0.01)
    job = begun(concept, "sleep")
    seen: list[str] = []
    with client.stream("GET", at(concept, "events")) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            seen.append(line)
            if "10 of 10" in line:
                break
            assert "<script" not in line
    assert "event: progress" in seen
    job.cancel()
    until_over(job)
    assert client.get(at(concept, "events")).text == "event: end\ndata: \n\n"


def test_it_is_cancelled_and_gone_on_with(concept: ConceptFolder, client: TestClient) -> None:
    job = begun(concept, "sleep")
    form = {"form_token": token_of(client), "back": f"/concepts/{concept.run_id}/build"}
    answer = client.post(at(concept, "cancel"), data=form, headers=FORM, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, form["back"])
    assert until_over(job).state == "cancelled"
    client.post(at(concept, "again"), data=form, headers=FORM, follow_redirects=False)
    assert job.status is not None
    assert job.status.state == "running"


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example/", "/concepts//evil.example", "/\\evil.example", "javascript:1",
     "/runs/x", "", "/concepts/{id}x", "/concepts/{id}/\r\nset-cookie: x=y", "/concepts/{id}//evil"],
)  # fmt: skip
def test_a_form_leads_nowhere_else(concept: ConceptFolder, client: TestClient, back: str) -> None:
    until_over(begun(concept, "fail"))
    form = {"form_token": token_of(client), "back": back.replace("{id}", concept.run_id)}
    answer = client.post(at(concept, "cancel"), data=form, headers=FORM, follow_redirects=False)
    assert answer.headers["location"] == f"/concepts/{concept.run_id}"


@pytest.mark.parametrize("what", ["cancel", "again"])
@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({}, FORM),
        ({"form_token": "0" * 64}, FORM),
        ({"form_token": None}, {"origin": "http://evil.example"}),
        ({"form_token": None}, {}),
    ],
)
def test_nothing_happens_without_a_form_of_ours(
    concept: ConceptFolder,
    client: TestClient,
    what: str,
    form: dict[str, str | None],
    headers: dict[str, str],
) -> None:
    job = begun(concept, "sleep")
    token = token_of(client)
    data = {name: token if value is None else value for name, value in form.items()}
    assert client.post(at(concept, what), data=data, headers=headers).status_code == 403
    assert client.get(at(concept, what), follow_redirects=False).status_code == 303
    assert job.status is not None
    assert job.status.state == "running"


@pytest.mark.parametrize(
    "path",
    ["/concepts/nosuch/jobs/build", "/concepts/..%2F..%2Fetc/jobs/build", "/concepts/{id}/jobs/..%2Fmodels",
     "/concepts/{id}/jobs/%2e%2e", "/concepts/{id}/jobs/BUILD.x", "/etc/passwd/jobs/build",
     "/runs/{id}/jobs/build", "/concepts/{id}/jobs/nosuch", "/concepts/{id}/jobs/build/%2e%2e%2flog.txt",
     "/concepts/{id}/jobs/build/started.json"],
)  # fmt: skip
@pytest.mark.parametrize("more", ["", "/events"])
def test_what_is_no_job_is_not_there(
    concept: ConceptFolder, client: TestClient, path: str, more: str
) -> None:
    until_over(begun(concept, "plain"))
    assert client.get(path.replace("{id}", concept.run_id) + more).status_code in (400, 404)


def test_a_page_of_a_token_is_needed(concept: ConceptFolder, tmp_path: Path) -> None:
    until_over(begun(concept, "plain"))
    closed = visitor(desk_for(tmp_path, token="a-token-that-is-long-enough"))
    answer = closed.get(at(concept), follow_redirects=False)
    assert answer.headers["location"] == "/enter"
    assert form_token(answer.text) == ""
