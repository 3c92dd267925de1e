"""`fieldmark classify --method`: a folder labelled by a method of the table, as a user would."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.command_line import CommandLine, Outcome


def by(command_line: CommandLine, birds: Path, method: str, *more: object) -> Outcome:
    """Classify the drawn birds by a method."""
    return command_line.invoke(
        "classify", birds, "--classes", birds / "classes.txt", "--clip", "aviary", "--method", method, *more
    )


@pytest.fixture
def labelled(birds: Path, tmp_path: Path) -> Path:
    """The first image of each species, set apart in a folder."""
    folder = tmp_path / "labelled"
    for species in (each for each in birds.iterdir() if each.is_dir()):
        (folder / species.name).mkdir(parents=True)
        first = min(species.iterdir())
        shutil.copy(first, folder / species.name / first.name)
    return folder


def test_labels_table_page_and_resume(command_line: CommandLine, birds: Path, labelled: Path) -> None:
    outcome = by(
        command_line,
        birds,
        "tip-adapter",
        "--labels",
        labelled,
        "--reference",
        labelled,
        "--top-k",
        3,
        "--json",
    )
    assert outcome.code == 0, outcome.err
    said = outcome.json
    assert (said["method"], said["stop_reason"]) == ("tip-adapter", "labelled")
    assert "Labelled by the method tip-adapter" in outcome.err
    run = command_line.folder / said["run"]
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8")))
    assert len(rows) == len(said["images"]) == said["counts"]["resolved"] + said["counts"]["open"]
    assert {"label_3", "probability_3"} <= rows[0].keys()
    own = [each for each in said["images"] if each["decided_by"] == "label"]
    assert len(own) == said["counts"]["examples"]  # they lie in the folder, too
    assert all(Path(each["image"]).parent.name == each["label"] for each in own)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Labelled by the method tip-adapter" in page
    assert "first look" not in page

    again = command_line.invoke("classify", "--resume", run.name, "--json")
    assert again.code == 0, again.err
    assert again.json["images"] == said["images"]
    refused = command_line.invoke("label", run.name, "--file", labelled)
    assert refused.code == 2
    assert "cannot take labels afterwards" in refused.err
    refused = command_line.invoke("export", run.name, "--out", command_line.folder / "export")
    assert refused.code == 2
    assert "leaves nothing to take along" in refused.err
    (labelled / sorted(each.name for each in labelled.iterdir())[0] / "new.jpg").write_bytes(
        next(birds.glob("*/0002.jpg")).read_bytes()
    )
    changed = command_line.invoke("classify", "--resume", run.name)
    assert changed.code == 2
    assert "are not those that run" in changed.err


def test_what_is_missing_or_wrong_is_told_at_once(command_line: CommandLine, birds: Path) -> None:
    outcome = by(command_line, birds, "caps-adapter", "--risk", 0.1)
    assert outcome.code == 2
    for words in (
        "needs captions",
        "(--captions)",
        "(--pool)",
        "--risk is of no use to the method",
    ):
        assert words in " ".join(outcome.err.split()), outcome.err
    outcome = by(command_line, birds, "tip-adaptor")
    assert outcome.code == 2
    assert "Did you mean tip-adapter?" in outcome.err
    outcome = by(command_line, birds, "dclip")
    assert outcome.code == 2
    assert "asks a language model, and none is named" in " ".join(outcome.err.split())
    outcome = by(command_line, birds, "clip", "--max-calls", 3)
    assert outcome.code == 2
    assert "--max-calls can limit nothing" in " ".join(outcome.err.split())


def test_the_list_says_what_each_method_needs(command_line: CommandLine) -> None:
    outcome = command_line.invoke("eval", "methods", "--json")
    needs = {each["method"]: each["classify"] for each in json.loads(outcome.out)["methods"]}
    assert needs["transclip-zs"] == []
    assert needs["proapo"] == ["labels", "llm"]
    assert needs["cased"] is None


def test_a_run_is_handed_over_and_its_labels_reviewed(command_line: CommandLine, birds: Path) -> None:
    assert by(command_line, birds, "clip", "--no-report").code == 0
    written = command_line.invoke("convert", "latest", "tasks.json", "--as", "label-studio")
    assert written.code == 0, written.err
    tasks = json.loads((command_line.folder / "tasks.json").read_text(encoding="utf-8"))
    assert all(each["predictions"][0]["result"][0]["value"]["choices"] for each in tasks)
    assert "Choice value=" in (command_line.folder / "tasks.json.config.xml").read_text(encoding="utf-8")
    again = command_line.invoke("convert", "latest", "tasks.json", "--as", "label-studio")
    assert again.code == 2
    assert "nothing is overwritten" in " ".join(again.err.split())

    pytest.importorskip("cleanlab")
    reviewed = command_line.invoke("review", "--json")
    assert reviewed.code == 0, reviewed.err
    assert reviewed.json["schema"] == "fieldmark.review/1"
    assert reviewed.json["images"] == len(tasks)
    run = command_line.folder / "runs" / reviewed.json["run"]
    assert {"review.csv", "review.html"} <= {each.name for each in run.iterdir()}
    by_labels = command_line.invoke("review", "--labels", "tasks.json", "--json", "--no-report")
    assert by_labels.code == 2  # the run's own labels are nobody's word
    assert "Nobody labelled anything" in " ".join(by_labels.err.split())
