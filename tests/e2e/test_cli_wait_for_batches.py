"""`--wait batch`: a command sends its questions as batches, and waits for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldmark.aviary.guide.guide import Guide
from tests.batch_endpoint import BatchEndpoint
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import MODEL, SPECIES, at, classes

WAIT = ("--wait", "batch")


@pytest.fixture
def service(guide: Guide, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchEndpoint]:
    """The guide, by batches."""
    monkeypatch.setattr("fieldmark.app.batches.waiting._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("fieldmark.app.batches.waiting._LONGEST_PAUSE_S", 0.01)
    with BatchEndpoint([guide_script(guide)], models=[{"id": MODEL}]) as server:
        yield server


def test_a_classification_says_how_its_batches_are_and_what_goes_on_with_it(
    command_line: CommandLine, birds: Path, service: BatchEndpoint
) -> None:
    place = at(service, command_line)
    service.ends = ["expired", "completed"]
    outcome = place.invoke(*classes(birds), "--noun", "bird", *WAIT)
    assert outcome.code == 3
    (run,) = (place.folder / "runs").iterdir()
    said = " ".join(outcome.err.split())
    assert f"was not finished in its 24 hours. 3 answers are kept, {SPECIES - 3} questions wait." in said
    assert f"fieldmark classify --resume {run.name} --wait batch" in said
    outcome = place.invoke("classify", "--resume", "latest", "--no-report", *WAIT, "--json")
    assert outcome.code == 0, outcome.err
    assert service.asked == 0
    assert outcome.json["usage"]["requests"] == sum(map(len, service.sent)) - (SPECIES - 3)
    assert "Batch batch-1: completed" in outcome.err
    assert f"{SPECIES - 3} answers taken." in outcome.err
    assert "without a usable answer" not in outcome.err


def test_a_prompt_search_waits_for_batches(
    command_line: CommandLine, birds: Path, service: BatchEndpoint
) -> None:
    place = at(service, command_line)
    few = ("--shots", 1, "--generations", 1, "--no-report", "--seed", 1, "--noun", "bird")
    outcome = place.invoke("optimize", birds, *few, *WAIT)
    assert outcome.code == 0, outcome.err
    assert service.asked == 0
    assert service.sent
