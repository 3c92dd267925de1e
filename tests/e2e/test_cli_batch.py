"""`fieldmark batch`: a run that asks by batch files alone ends like one that asks online."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldmark.aviary.guide.guide import Guide
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import SPECIES, at, classes, labels
from tests.faulty_endpoint import FaultyEndpoint, Received

Answer = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def answered(guide: Guide) -> Answer:
    """What a batch service does with one request."""
    script = guide_script(guide)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        reply = script(Received(request["method"], request["url"], {}, request["body"]))
        response = {"status_code": reply.status, "request_id": "r", "body": json.loads(reply.body)}
        return {"id": "b", "custom_id": request["custom_id"], "response": response, "error": None}

    return answer


def requests(files: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in Path(file).read_text("utf-8").splitlines()]


def write_results(folder: Path, results: list[dict[str, Any]]) -> Path:
    path = folder / "results.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in results), "utf-8")
    return path


def test_by_batch_files_alone_the_predictions_are_those_of_asking_online(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint, answered: Answer
) -> None:
    place = at(endpoint, command_line)
    started = place.invoke(*classes(birds), "--max-calls", 0, "--json")
    assert started.code == 3, started.err
    turn = place.invoke("batch", "export", "latest", "--json").json
    counts: list[int] = []
    while turn["waiting"]:
        asked = requests([str(place.folder / file) for file in turn["files"]])
        assert len({each["custom_id"] for each in asked}) == len(asked) == turn["waiting"]
        assert all(len(each["custom_id"]) == 64 and each["url"] == "/v1/chat/completions" for each in asked)
        counts.append(len(asked))
        assert len(counts) < 9
        results = write_results(place.folder, [answered(each) for each in reversed(asked)])
        turn = place.invoke("batch", "import", "latest", results, "--json").json
        assert (turn["taken"], turn["bad"], turn["unused"], turn["unreadable"]) == (counts[-1], {}, 0, 0)
    assert counts[:2] == [1, SPECIES]  # the noun, then the descriptions
    assert len(counts) > 2
    assert endpoint.asked == 0
    run = next((place.folder / "runs").iterdir())
    by_batch = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["stop_reason"] not in ("budget", "endpoint")
    assert "Nothing is left to ask" in place.invoke("batch", "export", run.name).out

    online = at(endpoint, CommandLine(command_line.folder, command_line.home.with_name("other"), {}))
    whole = online.invoke(*classes(birds), "--json")
    assert endpoint.asked == sum(counts)
    assert by_batch == labels(whole)


def test_bad_results_are_counted_and_their_questions_wait_again(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint, answered: Answer
) -> None:
    place = at(endpoint, command_line)
    assert place.invoke(*classes(birds), "--noun", "bird", "--max-calls", 0).code == 3
    said = place.invoke("batch", "export", "latest")
    assert "6 questions in " in said.out + said.err
    run = next((place.folder / "runs").iterdir())
    asked = requests([str(run / "batch.jsonl")])
    results = [answered(each) for each in asked]
    body = results[0]["response"]["body"]
    body["choices"][0]["finish_reason"] = "length"
    results[1]["response"]["body"]["choices"][0]["message"]["content"] = '{"no": "such field"}'
    results[2] |= {"response": None, "error": {"code": "batch_expired", "message": "too late"}}
    refusal = {"error": {"message": "Unsupported parameter: 'temperature' is not supported"}}
    results[3]["response"] = {"status_code": 400, "body": refusal}
    results.append({**results[4], "custom_id": "f" * 64})
    path = write_results(place.folder, results)
    with path.open("a") as file:
        file.write("no JSON\n[]\n")
    turn = place.invoke("batch", "import", "latest", path, "--to", "next.jsonl", "--json").json
    assert turn["taken"] == 2
    assert turn["bad"] == {"truncated": 1, "off_schema": 1, "broken": 2}
    assert (turn["unused"], turn["unreadable"], turn["waiting"]) == (1, 2, 4)
    again = requests([str(place.folder / "next.jsonl")])
    assert {each["custom_id"] for each in again} == {each["custom_id"] for each in asked[:4]}
    assert all("temperature" in each["body"] for each in asked)
    assert not any("temperature" in each["body"] for each in again), "the endpoint said so"
    assert again[0]["body"]["max_tokens"] > asked[0]["body"]["max_tokens"], "one answer was cut off"
    words = place.invoke("batch", "import", "latest", path)
    assert "2 results not needed" not in words.err
    assert endpoint.asked == 0


def test_what_cannot_go_on_is_a_sentence(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    assert "no run" in place.invoke("batch", "export", "latest").err.lower()
    assert place.invoke(*classes(birds), "--noun", "bird", "--max-calls", 0).code == 3
    outcome = place.invoke("batch", "import", "latest", "no-such-file.jsonl")
    assert outcome.code == 2
    assert "no-such-file.jsonl cannot be read" in outcome.err


def test_a_prompt_search_asks_by_batch_files(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint, answered: Answer
) -> None:
    place = at(endpoint, command_line)
    few = ("--shots", 1, "--generations", 1, "--no-report", "--seed", 1)
    assert place.invoke("optimize", birds, *few, "--max-calls", 0).code == 3
    turn = place.invoke("batch", "export", "latest", "--json").json
    turns = 0
    while turn["waiting"]:
        asked = requests([str(place.folder / file) for file in turn["files"]])
        results = write_results(place.folder, [answered(each) for each in asked])
        turn = place.invoke("batch", "import", "latest", results, "--json").json
        turns += 1
        assert (turn["taken"], turn["bad"]) == (len(asked), {})
        assert turns < 9
    assert turns
    assert endpoint.asked == 0
    assert (place.folder / turn["run"] / "book.json").exists()
