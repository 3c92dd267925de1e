"""`fieldmark classify` on plain picture folders, with the scripted guide as the language model."""

import csv
import dataclasses
import hashlib
import json
import signal
from pathlib import Path

import pytest

from fieldmark.tools.llm.scripted import NOTE
from tests.command_line import CommandLine
from tests.e2e.classifying import IMAGES, MODEL, SPECIES, at, classes, labels
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error, json_reply
from tests.graph.world import data_of


def test_from_drawing_to_predictions_by_the_printed_instructions(command_line: CommandLine) -> None:
    drawn = command_line.invoke(
        "aviary", "render", "birds", "--species", 3, "--images", 2, "--seed", 1, "--json"
    )
    assert drawn.code == 0
    assert drawn.json["images"] == 6
    assert "fieldmark aviary guide --data birds" in drawn.err
    again = command_line.invoke("aviary", "render", "birds", "--species", 4, "--images", 2, "--seed", 1)
    assert again.code == 2
    assert "holds an aviary data set with other settings" in again.err

    server = command_line.start("aviary", "guide", "--data", "birds", "--json")
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        assert said["schema"] == "fieldmark.guide/1"
        place = dataclasses.replace(
            command_line, more={"OPENAI_BASE_URL": said["base_url"], "FIELDMARK_LLM": said["model"]}
        )
        outcome = place.invoke(
            "classify", "birds", "--classes", "birds/classes.txt", "--clip", "aviary", "--max-rounds", 1
        )
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=30)
    assert outcome.code == 0, outcome.err
    assert "Predictions: runs/" in outcome.out
    assert "Report: runs/" in outcome.out
    assert outcome.out.count(NOTE) == 1
    run = next((command_line.folder / "runs").iterdir())
    assert len((run / "predictions.csv").read_text().splitlines()) == 7
    assert NOTE.split(". ")[1] in (run / "report.html").read_text(encoding="utf-8")
    assert server.returncode == 0
    assert "questions answered." in err


def test_a_table_with_more_classes_and_folders_by_label(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    outcome = place.invoke(*classes(birds), "--json", "--top-k", 3, "--all-classes")
    assert outcome.code == 0, outcome.err
    run = command_line.folder / outcome.json["run"]
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    names = (birds / "classes.txt").read_text(encoding="utf-8").split("\n")[:SPECIES]
    for row in table:
        assert len({row["label"], row["label_2"], row["label_3"]} & set(names)) == 3
        assert float(row["probability_2"]) >= float(row["probability_3"])
        shares = {name: float(row[f"probability: {name}"]) for name in names}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert shares[row["label"]] == pytest.approx(float(row["confidence"]), abs=1e-5)
        assert shares[row["label_2"]] == float(row["probability_2"])

    again = place.invoke("classify", "--resume", run.name, "--no-report", "--top-k", 2)
    assert again.code == 0, again.err
    head = (run / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "label_2" in head and "label_3" not in head and "probability:" not in head

    done = place.invoke("sort", "--into", "sorted", "--json")
    assert done.code == 0, done.err
    assert done.json["run"].endswith(run.name)
    found = (command_line.folder / "sorted").rglob("*")
    pictures = [path for path in found if path.is_file() and path.suffix != ".json"]
    assert len(pictures) == SPECIES * IMAGES == sum(done.json["counts"].values())
    by_hash = {each["image_hash"]: each for each in labels(outcome)}
    for path in pictures:
        each = by_hash[hashlib.sha256(path.read_bytes()).hexdigest()]
        folders = {"resolved": [each["label"]], "open": ["open", each["label"]], "rejected": ["rejected"]}
        assert list(path.parent.relative_to(command_line.folder / "sorted").parts) == folders[each["status"]]
    refused = place.invoke("sort", "--into", birds)
    assert refused.code == 2
    assert "nothing is overwritten (--into)" in refused.err
    assert place.invoke("sort").code == 2


def test_json_and_dry_run(command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint) -> None:
    (command_line.folder / "broken.jpg").write_bytes(b"no picture")
    (command_line.folder / "phone").mkdir()
    (command_line.folder / "phone" / "a.jxl").write_bytes(b"no format that is known")
    place = at(endpoint, command_line)
    everything = (*classes(birds), "broken.jpg", "phone")
    dry = place.invoke(*everything, "--dry-run", "--json")
    assert dry.code == 0
    assert dry.out.startswith('{"schema":"fieldmark.estimate/1",')
    look = dry.json["first_look"]
    assert look["to_ask"] == look["questions"] == 1 + SPECIES
    assert look["tokens"] > 0
    assert dry.json["follow_up_most"] >= SPECIES
    assert endpoint.asked == 0
    assert not (command_line.folder / "runs").exists()

    outcome = place.invoke(*everything, "--json")
    value = outcome.json
    assert outcome.code == 0, outcome.err
    assert value["schema"] == "fieldmark.classify/1"
    assert len(value["images"]) == SPECIES * IMAGES
    assert (
        value["counts"]["resolved"] + value["counts"]["open"] + value["counts"]["rejected"]
        == SPECIES * IMAGES
    )
    assert value["usage"]["requests"] == endpoint.asked
    assert [each["path"] for each in value["skipped"]] == ["broken.jpg"]
    assert "broken.jpg: " in outcome.err
    assert dry.json["passed_over"] == value["passed_over"]
    assert value["passed_over"][".jxl"] == 1  # beside what drawing leaves in the folder
    run = Path(command_line.folder / value["run"])
    assert json.loads((run / "manifest.json").read_text())["passed_over"] == value["passed_over"]
    assert "1 .jxl" in outcome.err

    warm = place.invoke(*everything, "--dry-run")
    assert f"{1 + SPECIES} in the cache, 0 to ask" in warm.out
    asked = endpoint.asked
    endpoint.stop()
    offline = place.invoke(*everything, "--json")
    assert (offline.code, offline.json["usage"]["requests"]) == (0, 0)
    assert labels(offline) == labels(outcome)
    assert f"{1 + SPECIES} in the cache" in place.invoke(*everything, "--dry-run").out
    assert endpoint.asked == asked


def test_a_dry_run_needs_no_endpoint(command_line: CommandLine, birds: Path) -> None:
    place = dataclasses.replace(
        command_line, more={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "FIELDMARK_LLM": "m"}
    )
    outcome = place.invoke(*classes(birds), "--clip", "aviary", "--dry-run")
    assert outcome.code == 0
    assert "7 questions to m, 0 in the cache, 7 to ask" in outcome.out
    assert "Nothing was asked." in outcome.out


def test_nothing_usable_is_told_apart(command_line: CommandLine, birds: Path) -> None:
    from tests.faulty_endpoint import completion

    with FaultyEndpoint([completion("I would rather not.")], models=[{"id": MODEL}]) as endpoint:
        place = at(endpoint, command_line)
        outcome = place.invoke(*classes(birds), "--max-rounds", 0)
    assert outcome.code == 1, outcome.err
    assert "without a usable answer" in outcome.out


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (error(400, "only purple models may ask"), "only purple models may ask"),
        (json_reply({"choices": []}), "the response has no message"),
    ],
)
def test_where_no_question_is_answered_the_first_complaint_is_told(
    command_line: CommandLine, birds: Path, reply: Reply, complaint: str
) -> None:
    with FaultyEndpoint([reply], models=[{"id": MODEL}]) as endpoint:
        place = at(endpoint, command_line)
        outcome = place.invoke(*classes(birds), "--noun", "bird", "--json")
        [run] = (command_line.folder / "runs").iterdir()
        again = place.invoke("classify", "--resume", run.name, "--no-report", "--json")
    assert outcome.code == again.code == 1, outcome.err
    assert outcome.json["stop_reason"] == again.json["stop_reason"] == "unanswered"
    [note] = outcome.json["notes"]
    assert again.json["notes"] == [note]
    assert complaint in note and "fieldmark doctor" in note
    assert ": no question was answered." in outcome.err
    assert note in outcome.err


def test_open_images_are_shown_to_a_vision_language_model(
    birds: Path, endpoint: FaultyEndpoint, command_line: CommandLine
) -> None:
    def first_candidate(request: Received) -> Reply:
        (name, *_) = data_of(request.text)["candidates"]
        return completion(json.dumps({"rationale": "By its tail.", "choice": name, "confidence": 60}))

    with FaultyEndpoint([first_candidate], models=[{"id": "eyes"}]) as vlm:
        args = ("--candidates", "topk", "--k", 3, "--max-rounds", 0, "--vlm", "eyes")
        args = (*classes(birds)[:4], *args, "--vlm-base-url", vlm.base_url, "--no-report", "--json")
        outcome = at(endpoint, command_line).invoke(*args)
        assert outcome.code == 0
        assert vlm.asked == SPECIES * IMAGES
        assert at(endpoint, command_line).invoke(*args, "--max-calls", 0).code == 0  # all of it is cached
        assert vlm.asked == SPECIES * IMAGES
    assert outcome.json["counts"]["vlm_decided"] == SPECIES * IMAGES
    assert outcome.json["vision_usage"]["requests"] == SPECIES * IMAGES
    assert {image["decided_by"] for image in labels(outcome)} == {"vlm"}
    assert "Shown to eyes: 18 open images, 18 decided" in outcome.err


def test_an_endpoint_for_no_vision_language_model_is_refused(
    birds: Path, endpoint: FaultyEndpoint, command_line: CommandLine
) -> None:
    outcome = at(endpoint, command_line).invoke(*classes(birds), "--vlm-base-url", "http://127.0.0.1:1/v1")
    assert outcome.code == 2
    assert "(--vlm)" in outcome.err


def test_open_images_get_a_group_of_a_tree(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    names = (birds / "classes.txt").read_text(encoding="utf-8").split("\n")[:SPECIES]
    rows = [f"{name},{'first' if n < SPECIES // 2 else 'second'}" for n, name in enumerate(names)]
    tree = command_line.folder / "tree.csv"
    tree.write_text("\n".join(["child,parent", *rows]), encoding="utf-8")
    few = ("classify", birds, "--classes", birds / "classes.txt", "--max-rounds", 0)
    outcome = place.invoke(*few, "--tree", tree, "--risk", 0.6, "--json")
    assert outcome.code == 0, outcome.err
    groups = outcome.json["groups"]
    assert set(groups) <= {"first", "second"}
    assert sum(groups.values()) == outcome.json["counts"]["coarse"] > 0
    assert f"Of the open images {sum(groups.values()):,} lie within one group." in outcome.err
    run = command_line.folder / outcome.json["run"]
    assert "Open, but within one group" in (run / "report.html").read_text(encoding="utf-8")
    assert ",coarse_label,coarse_probability" in (run / "predictions.csv").read_text(encoding="utf-8")

    idle = place.invoke(*few, "--risk", 0.6)
    assert idle.code == 2
    assert "--tree" in idle.err
    again = place.invoke("classify", "--resume", run.name, "--tree", tree)
    assert again.code == 2
    assert "--tree cannot be given with --resume" in again.err
    tree.write_text("\n".join(["child,parent", *rows[1:]]), encoding="utf-8")
    lacking = place.invoke(*few, "--tree", tree)
    assert lacking.code == 2
    assert f"The tree lacks {names[0]!r} of {SPECIES} classes" in lacking.err
    assert "Traceback" not in lacking.err


def test_groups_are_asked_for_and_cached(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    few = ("classify", birds, "--classes", birds / "classes.txt", "--max-rounds", 0, "--no-report")
    dry = place.invoke(*few, "--tree", "ask", "--dry-run", "--json").json["first_look"]
    assert dry["to_ask"] == 2 + SPECIES
    outcome = place.invoke(*few, "--tree", "ask", "--json")
    assert outcome.code == 0, outcome.err
    assert endpoint.asked == 2 + SPECIES
    tree = json.loads((command_line.folder / outcome.json["run"] / "tree.json").read_text())
    assert set(tree["parents"]) >= set(tree["classes"])
    place.invoke(*few, "--tree", "ask")
    assert endpoint.asked == 2 + SPECIES
