"""`fieldmark export` and `fieldmark predict`: what a run learned labels images that it never saw."""

import csv
import dataclasses
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.dataset import read_truth, render_dataset
from fieldmark.aviary.world.species import species_book
from tests.command_line import CommandLine, guide_script
from tests.faulty_endpoint import FaultyEndpoint

MODEL = "guide"
SPECIES, IMAGES, SEED, TOMORROW = 8, 8, 5, 6
NAMES_ALONE = ("--start", "names", "--max-rounds", 0)


def drawn(folder: Path, images: int, seed: int) -> Path:
    book = species_book(SEED, new=SPECIES, known=0)
    render_dataset(folder, book, images_per_species=images, seed=seed, workers=1)
    return folder


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pool, and other images of the same species."""
    folder = tmp_path_factory.mktemp("aviary")
    drawn(folder / "today", IMAGES, SEED)
    drawn(folder / "tomorrow", IMAGES, TOMORROW)
    return folder


@pytest.fixture
def line(command_line: CommandLine, birds: Path) -> Iterator[CommandLine]:
    """A command line whose language model is the guide until the run is over."""
    with FaultyEndpoint([guide_script(Guide(read_truth(birds / "today")[0]))], models=[{"id": MODEL}]) as at:
        settings = {"OPENAI_BASE_URL": at.base_url, "FIELDMARK_LLM": MODEL, "FIELDMARK_CLIP": "aviary"}
        yield dataclasses.replace(command_line, more=settings)


def classified(line: CommandLine, folder: Path, *more: object) -> Any:
    outcome = line.invoke(
        "classify", folder, "--classes", folder / "classes.txt", "--no-report", "--json", *more
    )
    assert outcome.code == 0, outcome.err
    return outcome.json


def top1(images: list[Any]) -> float:
    return sum(Path(each["image"]).parent.name == each["label"] for each in images) / len(images)


def test_what_a_run_learned_labels_tomorrows_images(line: CommandLine, birds: Path) -> None:
    run = classified(line, birds / "today")
    offline = dataclasses.replace(line, more={})
    with_onnx = offline.invoke("export", Path(run["run"]).name, "--out", "taken", "--onnx", "--json")
    assert with_onnx.code == 0, with_onnx.err
    assert (line.folder / "taken" / "classifier.onnx").is_file()
    assert "classifier.onnx" in with_onnx.json["files"]

    exported = offline.invoke("export", Path(run["run"]).name, "--out", "taken", "--json")
    assert exported.code == 0, exported.err
    assert exported.json["schema"] == "fieldmark.export/1"
    assert set(exported.json["files"]) == {path.name for path in (line.folder / "taken").iterdir()}

    shutil.rmtree(line.folder / "runs")
    found = offline.invoke("predict", "taken", birds / "tomorrow", "--csv", "table.csv", "--json")
    assert found.code == 0, found.err
    images = found.json["predictions"]
    assert len(images) == SPECIES * IMAGES
    names = classified(line, birds / "tomorrow", *NAMES_ALONE)["images"]
    assert top1(images) > top1(names) + 0.3
    with (line.folder / "table.csv").open(encoding="utf-8", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == [each["label"] for each in images]

    into = offline.invoke("predict", "taken", birds / "tomorrow", "--table", "in.csv", "--block", 7, "--json")
    assert into.json["rows"] == len(images), into.err
    with (line.folder / "in.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["image"], row["label"], row["status"]) for row in csv.DictReader(file)] == [
            (each["image"], each["label"], each["status"]) for each in images
        ]
    (line.folder / "vectors.npy").write_bytes(b"")
    alone = offline.invoke("predict", "taken", "vectors.npy")
    assert (alone.code, "--table" in alone.err) == (2, True)

    one = offline.invoke("predict", "taken", images[3]["image"], "--json").json["predictions"]
    assert (one[0]["label"], one[0]["status"]) == (images[3]["label"], images[3]["status"])
    assert one[0]["confidence"] == pytest.approx(images[3]["confidence"], abs=1e-5)
    guided = offline.invoke("predict", "taken", birds / "tomorrow", "--by", "guide", "--json")
    assert guided.json["by"] == "guide"
    assert top1(guided.json["predictions"]) > top1(names)
    said = offline.invoke("predict", "taken", birds / "tomorrow")
    assert len(said.out.splitlines()) == len(images)
    assert f"by the {exported.json['best']} of run" in said.err

    card = (line.folder / "taken" / "card.md").read_text(encoding="utf-8")
    assert "No label was used." in card
    assert run["run"].rpartition("/")[2] in card
    table = json.loads((line.folder / "taken" / "field_guide.json").read_text(encoding="utf-8"))
    assert {row["class"] for row in table["rows"]} == set(read_classes(birds))
    people = (line.folder / "taken" / "instructions.md").read_text(encoding="utf-8")
    assert all(f"## {name}" in people for name in read_classes(birds))


def read_classes(birds: Path) -> list[str]:
    return (birds / "today" / "classes.txt").read_text(encoding="utf-8").split("\n")[:SPECIES]


def test_a_run_without_answers_is_exported_and_wrong_input_is_named(line: CommandLine, birds: Path) -> None:
    run = classified(line, birds / "today", *NAMES_ALONE)
    assert line.invoke("export", run["run"], "--out", "taken").code == 0
    assert line.invoke("export", run["run"], "--out", "taken").code == 0

    (line.folder / "mine").mkdir()
    (line.folder / "mine" / "a.txt").write_text("keep")
    refused = line.invoke("export", run["run"], "--out", "mine")
    assert (refused.code, "holds no classifier of a run" in refused.err) == (2, True)
    assert "There is no run" in line.invoke("export", "nothing", "--out", "other").err
    assert not (line.folder / "other").exists()

    arrays = line.folder / "taken" / "classifier.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
    damaged = line.invoke("predict", "taken", birds / "tomorrow")
    assert (damaged.code, "classifier.safetensors is damaged" in damaged.err) == (2, True)
    nothing = line.invoke("predict", "mine", birds / "tomorrow")
    assert (nothing.code, "config.json is missing" in nothing.err) == (2, True)


def test_a_watched_folder_is_labelled_as_images_come_and_a_second_watch_goes_on(
    line: CommandLine, birds: Path
) -> None:
    run = classified(line, birds / "today", *NAMES_ALONE)
    assert line.invoke("export", run["run"], "--out", "taken").code == 0
    inbox, table = line.folder / "inbox", line.folder / "labels.csv"
    inbox.mkdir()
    pictures = sorted((birds / "tomorrow").rglob("*.jpg"))[:4]
    assert len(pictures) == 4

    def watched(coming: list[Path]) -> list[str]:
        process = line.start("predict", "taken", "inbox", "--watch", "--every", 0.1, "--csv", table, "--json")
        try:
            assert process.stdout is not None
            names: list[str] = []
            for each in coming:
                shutil.copy(each, inbox / f"{each.parent.name} {each.name}")
                found = json.loads(process.stdout.readline())
                names += [Path(image["image"]).name for image in found["predictions"]]
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, err
        assert f"Stopped; {len(coming)} images labelled." in err
        return names

    first = watched(pictures[:2])
    second = watched(pictures[2:])
    assert first + second == [f"{each.parent.name} {each.name}" for each in pictures]
    with table.open(encoding="utf-8", newline="") as file:
        assert [Path(row["image"]).name for row in csv.DictReader(file)] == first + second

    refused = line.invoke("predict", "taken", inbox / "none", "--watch")
    assert refused.code == 2
    assert "not exist" in refused.err
