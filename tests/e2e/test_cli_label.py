"""`fieldmark label`: a run is scored anew with what people say of its images, and no model is asked."""

import csv
import dataclasses
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fieldmark.cli import build
from tests.command_line import CommandLine, Outcome
from tests.e2e.classifying import SPECIES, at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint

IMAGES = 5


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn data set."""
    return draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)


@pytest.fixture
def place(command_line: CommandLine, endpoint: FaultyEndpoint) -> CommandLine:
    return at(endpoint, command_line)


def classified(place: CommandLine, birds: Path, *more: object) -> Outcome:
    outcome = place.invoke(
        "classify", birds, "--classes", birds / "classes.txt", "--rule", "evidence", "--max-rounds", 1,
        "--no-report", "--json", *more,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return outcome


def truth_of(image: str) -> str:
    return Path(image).parent.name


def filled(run: Path, labels: dict[str, str]) -> Path:
    """The run's list of images to label, with these labels by image and the truth elsewhere."""
    rows = list(csv.DictReader(io.StringIO((run / "ask.csv").read_text(encoding="utf-8"))))
    path = run / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(row | {"label": labels.get(row["image"], truth_of(row["image"]))} for row in rows)
    return path


def by_image(outcome: Outcome) -> dict[str, Any]:
    return {each["image"]: each for each in outcome.json["images"]}


def test_a_filled_list_is_taken_in_and_nothing_is_asked(
    place: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    first = classified(place, birds)
    run = place.folder / first.json["run"]
    asked = [each["image"] for each in first.json["ask"]]
    assert len(asked) == 20
    assert f"fieldmark label {first.json['run']}" in first.err
    questions = len(endpoint.received)

    answers = filled(run, {asked[0]: "none of these", asked[1]: "cannot tell", asked[2]: ""})
    nobody = dataclasses.replace(place, more={})
    labelled = nobody.invoke("label", run, "--file", answers, "--json")
    assert labelled.code == 0, labelled.err
    assert len(endpoint.received) == questions
    assert labelled.json["labels"] == 17
    said = "Used 17 labels; 1 image labelled as none of the classes; 1 image could not be told."
    assert said in labelled.err
    found = by_image(labelled)
    assert found[asked[0]]["status"] == "rejected"
    assert found[asked[1]]["decided_by"] == found[asked[2]]["decided_by"] == "loop"
    for image in asked[3:]:
        assert found[image]["label"] == truth_of(image)
        assert (found[image]["decided_by"], found[image]["status"]) == ("label", "resolved")
    still_asked = {each["image"] for each in labelled.json["ask"]}
    assert not {asked[0], asked[1], *asked[3:]} & still_asked
    assert labelled.json["usage"] == first.json["usage"]

    tuning = nobody.invoke("export-rft", run, "--out", "tuning", "--held-out", 0, "--json")
    assert tuning.code == 0, tuning.err
    assert (tuning.json["by_people"], tuning.json["by_run"], tuning.json["held_out"]) == (18, 0, None)
    rows = [
        json.loads(each) for each in (place.folder / "tuning/train/metadata.jsonl").read_text().splitlines()
    ]
    assert Counter(row["answer"] for row in rows) == Counter(["none of these", *map(truth_of, asked[3:])])

    again = classified(place, birds, "--labels", run / "labels.csv")
    assert again.json["labels"] == 17
    assert by_image(again)[asked[3]]["decided_by"] == "label"


def test_images_are_asked_about_one_by_one(place: CommandLine, birds: Path) -> None:
    first = classified(place, birds)
    asked = first.json["ask"]
    typed = f"2\n{truth_of(asked[1]['image'])}\n\nn\n?\nq\n"
    run = place.folder / first.json["run"]
    shown = CliRunner().invoke(
        build(), ["label", str(run), "--no-report"], env={"FIELDMARK_HOME": str(place.home)}, input=typed
    )
    assert shown.exit_code == 0, shown.stderr
    assert asked[0]["image"] in shown.stderr
    lines = list(csv.DictReader(io.StringIO((run / "labels.csv").read_text(encoding="utf-8"))))
    assert [(line["image"], line["answer"], line["label"]) for line in lines] == [
        (asked[0]["image"], "class", asked[0]["candidates"][1]),
        (asked[1]["image"], "class", truth_of(asked[1]["image"])),
        (asked[3]["image"], "none of these", ""),
        (asked[4]["image"], "cannot tell", ""),
    ]


def test_what_cannot_be_used_says_what_to_do(place: CommandLine, birds: Path) -> None:
    first = classified(place, birds)
    run = place.folder / first.json["run"]
    strange = place.folder / "strange.csv"
    asked = first.json["ask"][0]["image"]
    for text, said in (
        (f"image,label\n{asked},no such bird\n", "The label 'no such bird' is none of the classes."),
        ("image,label\nelsewhere.png,none\n", "None of the 1 labels is of an image here"),
        ("a,b\n1,2\n", "has no columns image and label"),
    ):
        strange.write_text(text, encoding="utf-8")
        refused = place.invoke("label", run, "--file", strange)
        assert refused.code == 2, refused.out
        assert said in refused.err
    assert not (run / "labels.csv").exists()
    assert place.invoke("label", run, "--file", "missing.csv").code == 2
    idle = place.invoke(
        "classify", birds, "--classes", birds / "classes.txt", "--rule", "table", "--labels", strange
    )
    assert idle.code == 2
    assert "Labels are of no use to the rule 'table'" in idle.err
