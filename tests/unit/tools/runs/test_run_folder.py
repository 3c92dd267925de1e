"""The folder a run leaves behind."""

import csv
import json
import re
from pathlib import Path

import pytest

from fieldmark.errors import RunError
from fieldmark.records import CandidateClass, Contribution, Prediction, PromptBook, RunConfig
from fieldmark.tools.runs.events import RoundPlanned, RunFinished
from fieldmark.tools.runs.folder import RunFolder, new_run_id

NAME = 'a "b", c\n| d\u2028 🦜'


def prediction(image: str = "x.png", label: str = NAME) -> Prediction:
    return Prediction(
        image=image,
        image_hash="h",
        label=label,
        confidence=0.123456789,
        status="open",
        candidates=(
            CandidateClass(class_name=label, probability=0.5),
            CandidateClass(class_name="y", probability=0.4),
        ),
        candidates_left=2,
        rounds=1,
        runner_up="y",
        margin=-0.5,
        contributions=(Contribution(attribute="bill", contribution=-0.5),),
    )


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id("classify") for _ in range(50)]
    assert len(set(ids)) > 40
    assert all(re.fullmatch(r"\d{8}-\d{6}-classify-[0-9a-f]{4}", name) for name in ids)


def test_the_configuration_is_there_from_the_start(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", kind="classify", options={"classes": [NAME]})
    assert [path.name for path in run.path.iterdir()] == ["config.json"]
    assert run.config == RunConfig(
        kind="classify", run_id=run.run_id, created=run.config.created, options={"classes": [NAME]}
    )


def test_an_earlier_run_is_opened_by_id_or_path(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, kind="classify", options={})
    assert RunFolder.open(tmp_path, run.run_id).path == run.path
    assert RunFolder.open(tmp_path / "elsewhere", str(run.path)).path == run.path


def test_an_unknown_run_names_the_latest(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path, "nothing")
    assert caught.value.hint == "No run is there yet."
    for number in range(7):
        RunFolder(tmp_path / f"run-{number}").write(
            "config.json", RunConfig(kind="classify", run_id=f"run-{number}", created="", options={})
        )
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path, "nothing")
    assert caught.value.hint == "The latest runs there: run-6, run-5, run-4, run-3, run-2."
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path, "nothing", kind="eval")
    assert caught.value.hint == "No run of eval is there yet."
    (tmp_path / "run-1" / "config.json").write_text("{")
    for number in (0, 3):
        RunFolder(tmp_path / f"run-{number}").write(
            "config.json", RunConfig(kind="eval", run_id=f"run-{number}", created="", options={})
        )
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path, "nothing", kind="eval")
    assert caught.value.hint == "The latest runs of eval there: run-3, run-0."


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be created") as caught:
        RunFolder(tmp_path / "file" / "run")
    assert caught.value.field == "out"


@pytest.mark.parametrize("content", [None, "", "{", '{"kind": "x"}', "[]"])
def test_a_record_that_is_missing_or_torn_is_an_error(tmp_path: Path, content: str | None) -> None:
    run = RunFolder(tmp_path / "run")
    if content is not None:
        (run.path / "config.json").write_text(content)
    with pytest.raises(RunError, match=r"config\.json"):
        _ = run.config


def test_predictions_come_back_as_they_were_whatever_their_names(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows = [prediction(), prediction("y.png", "plain")]
    run.write_predictions(rows)
    assert list(run.read_predictions()) == rows
    assert (tmp_path / "predictions.jsonl").read_bytes().count(b"\n") == 2
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["label"] == NAME
    assert (second["label"], second["candidates"], second["confidence"]) == ("plain", "plain|y", "0.123457")
    assert (second["status"], second["margin"], second["runner_up"]) == ("open", "-0.5", "y")


def test_predictions_are_replaced_whole(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_predictions([prediction()] * 3)
    run.write_predictions([prediction("z.png")])
    assert [p.image for p in run.read_predictions()] == ["z.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.csv", "predictions.jsonl"]


def test_a_run_without_predictions_has_none_to_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="predictions"):
        list(RunFolder(tmp_path).read_predictions())


def test_an_id_that_no_folder_can_have_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        RunFolder.open(tmp_path, "x" * 300)


def test_events_are_lines_in_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.event(RoundPlanned(round=1, questions=2))
    RunFolder(tmp_path).event(RunFinished(stop_reason=NAME))
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").split("\n")
    one, two = (json.loads(line) for line in lines if line)
    assert (one["event"], one["round"], one["questions"]) == ("planned", 1, 2)
    assert (two["event"], two["stop_reason"]) == ("finished", NAME)
    assert two["at"] >= one["at"]


def test_a_book_is_portable(tmp_path: Path) -> None:
    book = PromptBook(classes=(NAME, "y"), noun="bird")
    path = RunFolder(tmp_path).write_book(book)
    assert path.name == "book.json"
    assert PromptBook.model_validate_json(path.read_bytes()) == book
