"""A build that was begun in the studio goes on, whatever is killed; nothing is asked twice."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from fieldmark.app.jobs.job import STARTED, Job, JobStart
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from fieldmark.records import Clause, Definition, Label
from fieldmark.tools.concepts.changes import now, with_labels, with_version
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.command_line import CommandLine
from tests.e2e.test_cli_concept_build import looking
from tests.e2e.test_cli_studio import PATIENCE_S, token_of
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply
from tests.warm_process import WarmProcess

CONCEPT = "/concepts/hawk"


@pytest.fixture
def asking(command_line: CommandLine) -> Iterator[tuple[CommandLine, FaultyEndpoint]]:
    """A concept with a definition and a few labels, and a model that takes its time."""
    birds = command_line.folder / "birds"
    render_dataset(birds, species_book(7, new=6, known=0), images_per_species=8, seed=3, workers=1)
    answer = looking(birds)

    def slowly(request: Received) -> Reply:
        time.sleep(0.1)
        return answer(request)

    with FaultyEndpoint([slowly]) as endpoint:
        more = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_KEY": "none",
            "FIELDMARK_LLM": "m",
            "FIELDMARK_LLM_CONCURRENCY": "1",
        }
        line = CommandLine(command_line.folder, command_line.home, more)
        new = line.invoke("concept", "new", "hawk", "--pool", "birds", "--clip", "aviary", "--blind", 0)
        assert new.code == 0, new.err
        folder = ConceptFolder(line.home / "concepts" / "hawk")
        clause = Clause(id="c1", role="necessary", text="It is a hawk.", state="agreed")
        concept = with_version(folder.load(), Definition(clauses=(clause,)), why="drafted", at=now())
        labels = [
            Label(
                image=image.content_hash,
                value="in" if "hawk" in image.path.parent.name else "out",
                split="dev",
                at=now(),
            )
            for image in folder.load_pool()[::4]
        ]
        folder.save(with_labels(concept, labels))
        yield line, endpoint


def serve(line: CommandLine, *, port: int = 0) -> tuple[WarmProcess, httpx2.Client]:
    process = line.start("studio", "--port", port, "--no-browser")
    address = process.stdout.readline().rpartition(" ")[2].strip()
    return process, httpx2.Client(
        base_url=address, headers={"origin": address.rstrip("/")}, follow_redirects=True, timeout=60
    )


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def pictures_asked(endpoint: FaultyEndpoint) -> list[str]:
    questions = [json.dumps(each.body, sort_keys=True) for each in endpoint.received if each.body]
    return [each for each in questions if "image_url" in each]


def test_server_and_worker_are_killed_and_nothing_is_asked_twice(
    asking: tuple[CommandLine, FaultyEndpoint],
) -> None:
    line, endpoint = asking
    job = Job.of(line.home / "concepts" / "hawk", "build")
    server, visitor = serve(line)
    page = visitor.get(f"{CONCEPT}/build").text
    sent = {"form_token": token_of(page), "annotate": 44, "rounds": 1, "debates": 0}
    assert "You can close this page" in visitor.post(f"{CONCEPT}/build", data=sent).text
    until(lambda: len(pictures_asked(endpoint)) >= 4)
    server.kill()
    server.wait()
    seen = len(pictures_asked(endpoint))
    until(lambda: len(pictures_asked(endpoint)) >= seen + 4)  # the work goes on without a server
    worker = JobStart.model_validate_json((Path(job.path) / STARTED).read_bytes())
    os.killpg(worker.pid, signal.SIGKILL)
    until(lambda: job.status is not None and not job.status.running)

    server, visitor = serve(line)
    try:
        page = visitor.get(f"{CONCEPT}/build").text
        assert "its process is gone" in page
        again = {"form_token": token_of(page), "back": f"{CONCEPT}/build"}
        visitor.post(f"{CONCEPT}/jobs/build/again", data=again)
        until(lambda: not visitor.get(f"{CONCEPT}/jobs/build").json()["state"].startswith("run"))
        state = visitor.get(f"{CONCEPT}/jobs/build").json()
        assert (state["state"], state["message"]) == ("ended", "")
        assert any("Judging" in stage["words"] and stage["done"] == stage["of"] for stage in state["stages"])
        assert "See what it is worth" in visitor.get(f"{CONCEPT}/build").text
        results = visitor.get(f"{CONCEPT}/results").text
        assert "would be missed" in results
        archive = visitor.post(
            f"{CONCEPT}/results/export", data={"form_token": token_of(results), "version": 1}
        )
        assert archive.content[:2] == b"PK"
        photographs = sorted((line.folder / "birds").rglob("*.jpg"))[:3]
        page = visitor.get(f"{CONCEPT}/trial").text
        visitor.post(
            f"{CONCEPT}/trial/uploads",
            data={"form_token": token_of(page)},
            files=[("photographs", (path.name, path.read_bytes())) for path in photographs],
        )
        until(lambda: visitor.get(f"{CONCEPT}/jobs/predict").json()["state"] == "ended")
        assert "3 photographs:" in visitor.get(f"{CONCEPT}/trial").text
        assert visitor.get(f"{CONCEPT}/trial/predictions.csv").text.count("\n") == 4
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    # The one that was on its way when the worker was killed may come again: its answer was lost.
    asked = pictures_asked(endpoint)
    assert len(asked) - len(set(asked)) <= 1
    assert len(set(asked)) >= 40
