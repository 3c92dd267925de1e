"""`fieldmark studio` as a person would use it: a real server, a real run, labels, and a scoring."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import ScoreTask
from tests.command_line import CommandLine
from tests.e2e.classifying import SPECIES, at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint
from tests.unit.app.jobs.conftest import started, until_over

IMAGES = 5
PATIENCE_S = 240


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)


@pytest.fixture
def place(command_line: CommandLine, endpoint: FaultyEndpoint) -> CommandLine:
    return at(endpoint, command_line)


@contextlib.contextmanager
def opened(place: CommandLine, *more: str) -> Iterator[str]:
    """The address of a studio that is served meanwhile; Ctrl-C ends it."""
    command = [sys.executable, "-m", "fieldmark", "studio", "--port", "0", *more]
    with subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            yield said.rpartition(" ")[2].strip()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0


def token_of(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]


def test_a_run_is_labelled_and_scored_anew_in_the_studio(
    place: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    first = place.invoke(
        "classify",
        birds,
        "--classes",
        birds / "classes.txt",
        "--rule",
        "evidence",
        "--max-rounds",
        1,
        "--json",
    )
    assert first.code == 0, first.err
    asked = {each["image_hash"]: each["image"] for each in first.json["ask"]}
    run = Path(first.json["run"]).name
    questions = len(endpoint.received)
    with opened(place) as address, httpx2.Client(base_url=address, follow_redirects=True) as visitor:
        headers = {"origin": address.rstrip("/")}
        assert f"/runs/{run}/asked" in visitor.get("/").text
        picture = visitor.get(f"/runs/{run}/pictures/small/{next(iter(asked))}")
        assert picture.headers["content-type"] == "image/webp"
        page = visitor.get(f"/runs/{run}/asked/next")
        for _ in asked:  # each answer leads on to the next image
            image = re.findall(r"/images/([0-9a-f]{64})", str(page.url))[0]
            data = {"form_token": token_of(page.text), "label": Path(asked[image]).parent.name}
            page = visitor.post(f"/runs/{run}/images/{image}?within=asked", data=data, headers=headers)
        assert "All of these are labelled" in page.text
        page = visitor.post(f"/runs/{run}/scoring", data={"form_token": token_of(page.text)}, headers=headers)
        job = Job.of(place.folder / "runs" / run, ScoreTask.KIND)
        os.killpg(started(job).pid, signal.SIGKILL)
        assert until_over(job).state == "died"
        page = visitor.get(f"/runs/{run}/scoring")
        assert "Your labels are kept" in page.text
        sent = {"form_token": token_of(page.text), "back": f"/runs/{run}/scoring"}
        visitor.post(f"/runs/{run}/jobs/score/again", data=sent, headers=headers)
        assert until_over(job).state == "ended"
        page = visitor.get(f"/runs/{run}/scoring")
        assert "You gave labels since" not in page.text
        labels = visitor.get(f"/runs/{run}/labels.csv").text
    assert labels.count(",person,") == len(asked)
    assert len(endpoint.received) == questions
    # What `fieldmark label` makes of the same labels is the same.
    kept = place.folder / "runs" / run
    scored = (kept / "predictions.csv").read_bytes()
    again = place.invoke("label", run, "--file", kept / "labels.csv", "--json")
    assert again.json["labels"] == len(asked)
    assert (kept / "predictions.csv").read_bytes() == scored


def test_another_host_makes_a_token_and_prints_it(place: CommandLine) -> None:
    with opened(place, "--host", "0.0.0.0", "--no-browser") as link:
        address = link.replace("0.0.0.0", "127.0.0.1")
        assert len(link.partition("token=")[2]) >= 16
        assert httpx2.get(address.partition("enter")[0]).headers["location"] == "/enter"
        with httpx2.Client(follow_redirects=True) as visitor:
            assert "There is no run" in visitor.get(address).text


def test_what_cannot_be_served_says_what_to_do(place: CommandLine) -> None:
    short = place.invoke("studio", "--token", "short")
    assert short.code == 2
    assert "(--token)" in short.err
    with opened(place) as address:
        port = address.rpartition(":")[2].strip("/")
        taken = place.invoke("studio", "--port", port)
        assert taken.code == 2
        assert "(--port)" in taken.err


def test_the_demo_has_a_folder_of_its_own(place: CommandLine) -> None:
    refused = place.invoke("studio", "--demo", "--runs", "runs")
    assert refused.code == 2
    assert "(--runs)" in refused.err


def test_a_missing_extra_is_said_in_a_sentence(place: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("fieldmark.studio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    missing = place.invoke("studio")
    assert missing.code == 2
    assert "The studio needs the package uvicorn" in missing.err
    assert 'pip install "fieldmark[studio]"' in missing.err
