"""The demo: pictures, a script that answers while it is open and no longer, and a run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from fieldmark.app.jobs.demo import GUIDE, Demo, demo_beside
from fieldmark.app.review.listing import list_runs
from fieldmark.evals.demo.beside import draw_pictures
from fieldmark.settings import read_settings
from fieldmark.tools.images.files import find_images
from tests.unit.studio.studio_runs import desk_for, visitor

PATIENCE_S = 240


def wait_for_a_run(runs: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(each.state == "finished" for each in list_runs(runs)) and time.monotonic() < until:
        time.sleep(0.3)


def test_the_demo_answers_while_it_is_open_and_has_a_run_made(tmp_path: Path) -> None:
    before = dict(os.environ)
    with demo_beside(tmp_path / "demo", flock=12, species=3) as demo:
        settings = read_settings()
        assert (settings.home, settings.clip) == (demo.home, "aviary")
        assert httpx2.get(f"{settings.base_url}/models").json()["data"][0]["id"] == settings.llm
        assert len(find_images([demo.pool]).images) == 12
        wait_for_a_run(demo.runs)
        (run,) = list_runs(demo.runs)
        assert (run.state, run.images, run.classes) == ("finished", 60, 3)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{settings.base_url}/models")
    assert dict(os.environ) == before
    with demo_beside(tmp_path / "demo", flock=12, species=3):  # pictures and run are there
        assert [each.run_id for each in list_runs(demo.runs)] == [run.run_id]


def test_the_script_ends_with_whoever_started_it(tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, flock=4, species=3)
    process = subprocess.Popen(
        [sys.executable, "-m", GUIDE, str(pictures.flock), str(pictures.species)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"base_url" in process.stdout.readline()
    assert process.stdin is not None
    process.stdin.close()  # as the end of the other process does
    assert process.wait(PATIENCE_S) == 0


def test_every_page_says_that_a_script_answers(tmp_path: Path, client: TestClient) -> None:
    assert "a script answers" not in client.get("/").text
    found = Demo(tmp_path, tmp_path / "runs", tmp_path / "pool", "red birds", "Birds that are red.")
    shown = visitor(desk_for(tmp_path, demo=found))
    for screen in ("/", "/no/such/page", "/enter"):
        assert "a script answers in its place" in shown.get(screen).text
    form = shown.get("/new-concept").text
    assert all(f'value="{each}"' in form for each in (found.name, found.about, found.pool))
