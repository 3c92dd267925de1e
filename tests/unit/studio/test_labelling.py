"""Labels are given by forms, kept in the run's own file, and the run is scored anew with them."""

import csv
import io
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.app.review.review import RunReview
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_given
from tests.unit.app.jobs.conftest import started, until_over
from tests.unit.studio.studio_runs import CLASSES, FORM, desk_for, form_token, made_run, visitor


def say(client: TestClient, run: RunFolder, image: str, query: str = "", **said: str):
    page = client.get(f"/runs/{run.run_id}/images/{image}").text
    data = {"form_token": form_token(page), **said}
    return client.post(
        f"/runs/{run.run_id}/images/{image}{query}", data=data, headers=FORM, follow_redirects=False
    )


def given(run: RunFolder) -> dict[str, tuple[str, str | None]]:
    return {each.image_hash: (each.answer, each.label) for each in read_given(run, CLASSES)}


def test_a_label_is_kept_and_the_next_image_comes(client: TestClient, run: RunFolder) -> None:
    hashes = [p.image_hash for p in run.read_predictions()]
    answer = say(client, run, hashes[0], label=CLASSES[1])
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/runs/{run.run_id}/images/{hashes[1]}"
    say(client, run, hashes[1], answer="none of these")
    say(client, run, hashes[2], answer="cannot tell")
    say(client, run, hashes[0], label=CLASSES[2])
    assert given(run) == {
        hashes[0]: ("class", CLASSES[2]),
        hashes[1]: ("none of these", None),
        hashes[2]: ("cannot tell", None),
    }
    assert (run.path / "labels.csv").read_text(encoding="utf-8").count("\n") == 5  # a head, and all four
    rows = list(csv.DictReader(io.StringIO(client.get(f"/runs/{run.run_id}/labels.csv").text)))
    assert [(row["label"], row["answer"], row["given_by"]) for row in rows[:3]] == [
        (CLASSES[2], "class", "person"),
        ("", "none of these", "person"),
        ("", "cannot tell", "person"),
    ]
    assert "by you" in client.get(f"/runs/{run.run_id}/images/{hashes[0]}").text


def test_the_buttons_say_what_the_labels_call_it(client: TestClient, run: RunFolder) -> None:
    page = client.get(f"/runs/{run.run_id}/images/{next(run.read_predictions()).image_hash}").text
    assert re.findall(r'name="answer" value="([^"]*)"', page) == ["none of these", "cannot tell"]


def test_images_that_the_run_asks_about_come_one_after_the_other(client: TestClient, run: RunFolder) -> None:
    hashes = [p.image_hash for p in run.read_predictions()][:3]
    client.get("/")
    begin = client.get(f"/runs/{run.run_id}/asked/next", follow_redirects=False).headers["location"]
    assert begin == f"/runs/{run.run_id}/images/{hashes[0]}?within=asked"
    say(client, run, hashes[1], "?within=asked", label=CLASSES[0])
    there = say(client, run, hashes[0], "?within=asked", label=CLASSES[0]).headers["location"]
    assert there == f"/runs/{run.run_id}/images/{hashes[2]}?within=asked"
    assert "1 label would help most" in client.get(f"/runs/{run.run_id}/asked").text
    assert (
        say(client, run, hashes[2], "?within=asked", answer="cannot tell")
        .headers["location"]
        .endswith("/asked")
    )
    page = client.get(f"/runs/{run.run_id}/asked").text
    assert "All of these are labelled" in page
    assert "Score anew with 3 labels" in page


def test_a_label_is_taken_back_and_what_was_said_stays(client: TestClient, run: RunFolder) -> None:
    first, second = [p.image_hash for p in run.read_predictions()][:2]
    say(client, run, first, label=CLASSES[1])
    say(client, run, first, label=CLASSES[2])
    page = client.get(f"/runs/{run.run_id}/images/{second}").text
    assert "Take back the last label" in page  # one too fast a key is undone from the image that came next
    for _ in range(2):  # a second tab says it again
        back = f"/runs/{run.run_id}/images/{first}/back"
        answer = client.post(
            back, data={"form_token": form_token(page)}, headers=FORM, follow_redirects=False
        )
        assert answer.headers["location"] == f"/runs/{run.run_id}/images/{first}"
    assert given(run) == {}
    assert len((run.path / "labels.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3
    page = client.get(f"/runs/{run.run_id}/images/{first}").text
    assert "Said of it so far: " in page
    assert "taken back" in page
    assert "Take back the last label" not in page
    say(client, run, first, answer="none of these")
    assert given(run) == {first: ("none of these", None)}


@pytest.mark.parametrize(
    "said", [{"label": "no such bird"}, {"answer": "maybe"}, {}, {"label": "", "answer": "class"}]
)
def test_what_is_no_answer_is_refused(client: TestClient, run: RunFolder, said: dict[str, str]) -> None:
    image = next(run.read_predictions()).image_hash
    assert say(client, run, image, **said).status_code == 409
    assert given(run) == {}


def score(client: TestClient, run: RunFolder) -> str:
    page = client.get(f"/runs/{run.run_id}/images/{next(run.read_predictions()).image_hash}").text
    sent = {"form_token": form_token(page)}
    return client.post(f"/runs/{run.run_id}/scoring", data=sent, headers=FORM).text


def again(client: TestClient, run: RunFolder, page: str) -> None:
    sent = {"form_token": form_token(page), "back": f"/runs/{run.run_id}/scoring"}
    client.post(f"/runs/{run.run_id}/jobs/score/again", data=sent, headers=FORM)


@pytest.fixture
def scoring(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """The scoring of the run; it does as `script.txt` says."""
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    job = Job.of(run.path, "score")
    yield job
    if job.status is not None and job.status.running:
        os.killpg(started(job).pid, signal.SIGKILL)


def test_a_run_is_scored_anew_once_at_a_time(client: TestClient, run: RunFolder, scoring: Job) -> None:
    (run.path / "script.txt").write_text("sleep")
    image = next(run.read_predictions()).image_hash
    say(client, run, image, label=CLASSES[1])
    assert "You gave labels since the run was scored." in client.get(f"/runs/{run.run_id}").text
    score(client, run)
    waiting = score(client, run)
    assert (run.path / "done.txt").read_text().count("\n") == 1
    assert f'data-job="/runs/{run.run_id}/jobs/score/events"' in waiting
    assert "1 label" in waiting
    assert "being scored anew" in client.get(f"/runs/{run.run_id}").text
    os.killpg(started(scoring).pid, signal.SIGKILL)
    until_over(scoring)
    page = client.get(f"/runs/{run.run_id}/scoring").text
    assert "its process is gone" in page
    assert "Your labels are kept" in page
    (run.path / "script.txt").write_text("plain")
    again(client, run, page)
    assert until_over(scoring).state == "ended"
    assert "<h1>pictures</h1>" in client.get(f"/runs/{run.run_id}/scoring").text  # the run itself


def test_a_scoring_that_failed_says_why(client: TestClient, run: RunFolder, scoring: Job) -> None:
    (run.path / "script.txt").write_text("fail")
    say(client, run, next(run.read_predictions()).image_hash, label=CLASSES[1])
    score(client, run)
    until_over(scoring)
    page = client.get(f"/runs/{run.run_id}/scoring").text
    assert "There is no such thing. Choose another." in page
    assert "Go on" in page
    assert "being scored anew" not in client.get(f"/runs/{run.run_id}").text


def test_a_rule_that_cannot_use_labels_keeps_them(tmp_path: Path) -> None:
    run = made_run(tmp_path / "runs", tmp_path / "pictures", rule="table")
    client = visitor(desk_for(tmp_path))
    image = next(run.read_predictions()).image_hash
    assert say(client, run, image, label=CLASSES[1]).status_code == 303
    page = client.get(f"/runs/{run.run_id}").text
    assert "cannot use labels" in page
    token = form_token(client.get(f"/runs/{run.run_id}/images/{image}").text)
    answer = client.post(f"/runs/{run.run_id}/scoring", data={"form_token": token}, headers=FORM)
    assert answer.status_code == 409


def test_labels_of_a_terminal_are_seen_at_once(client: TestClient, run: RunFolder) -> None:
    from fieldmark.app.review.labelling import give_label

    client.get(f"/runs/{run.run_id}")
    image = next(run.read_predictions()).image_hash
    give_label(RunReview.open(run), image, label=CLASSES[2])
    assert "You gave labels since" in client.get(f"/runs/{run.run_id}").text
