"""`fieldmark export --aspects`: a student with reasons, its answers asked for once, within a limit."""

import csv
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import MODEL_NAME, Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import Sight
from fieldmark.aviary.world.dataset import read_truth, render_dataset
from fieldmark.aviary.world.species import species_book
from tests.command_line import CommandLine

SPECIES, IMAGES, LOOKED_AT = 4, 4, 12


@pytest.fixture
def served(command_line: CommandLine, tmp_path: Path) -> Iterator[tuple[CommandLine, GuideServer, Path]]:
    """A command line whose models are the guide, which knows the pictures."""
    birds = tmp_path / "birds"
    render_dataset(birds, species_book(5, new=SPECIES, known=0), images_per_species=IMAGES, seed=5, workers=1)
    sight = Sight(Gallery.of_folders([birds]))
    with GuideServer(Guide(read_truth(birds)[0], sight=sight)) as server:
        settings = {
            "OPENAI_BASE_URL": server.base_url,
            "FIELDMARK_LLM": MODEL_NAME,
            "FIELDMARK_CLIP": "aviary",
        }
        yield dataclasses.replace(command_line, more=settings), server, birds


def test_a_student_says_which_aspects_it_sees(served: tuple[CommandLine, GuideServer, Path]) -> None:
    line, server, birds = served
    run = line.invoke(
        "classify", birds, "--classes", birds / "classes.txt", "--noun", "bird", "--start", "names",
        "--max-rounds", 0, "--no-report", "--json",
    ).json["run"]  # fmt: skip
    asked = server.questions_answered
    wanted = ("export", run, "--out", "taken", "--aspects", 6, "--aspect-images", LOOKED_AT, "--json")
    alone = line.invoke(*wanted)
    assert (alone.code, "--vlm" in alone.err) == (2, True)
    export = (*wanted, "--vlm", MODEL_NAME)
    foretold = line.invoke(*export, "--dry-run").json
    assert (foretold["first_look"]["to_ask"], foretold["most_vlm_images"]) == (1, LOOKED_AT)
    assert server.questions_answered == asked

    stopped = line.invoke(*export, "--max-calls", 9)
    assert (stopped.code, server.questions_answered - asked) == (3, 9)
    assert not (line.folder / "taken").exists()
    done = line.invoke(*export)
    assert done.code == 0, done.err
    assert server.questions_answered - asked == 1 + LOOKED_AT  # none was asked twice
    said = done.json["aspects"]
    assert said["images"] + done.json["notes"].count("Images without an answer (refused): 1.") == LOOKED_AT
    assert 0 < len(said["aspects"]) <= 6
    assert all(set(each["holds"]) | set(each["fails"]) == set(names(birds)) for each in said["aspects"])
    assert len(done.err.splitlines()) > 3

    found = line.invoke("predict", "taken", birds, "--by", "student", "--json", "--csv", "all.csv").json
    for each in found["predictions"]:
        rows = each["contributions"]
        assert sum(row["contribution"] for row in rows) == pytest.approx(each["margin"], abs=1e-4)
        assert {row["attribute"] for row in rows[:-1]} == {row["text"] for row in said["aspects"]}
        assert all((row["seen"] == "yes") == (row["probability"] >= 0.5) for row in rows[:-1])
    columns = [f"aspect: {each['text']}" for each in said["aspects"]]
    with (line.folder / "all.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    line.invoke("predict", "taken", birds, "--by", "student", "--table", "table.csv")
    with (line.folder / "table.csv").open(encoding="utf-8", newline="") as file:
        same = next(csv.DictReader(file))
    for column in columns:
        assert float(first[column]) == pytest.approx(float(same[column]), abs=1e-4)
    words = line.invoke("predict", "taken", birds, "--by", "student").out
    assert words.count("\n            ") == 3 * SPECIES * IMAGES
    card = (line.folder / "taken" / "card.md").read_text(encoding="utf-8")
    assert f"{len(said['aspects'])} yes/no aspects" in card
    assert json.loads((line.folder / "taken" / "config.json").read_text())["aspects"] == said


def names(birds: Path) -> list[str]:
    return (birds / "classes.txt").read_text(encoding="utf-8").splitlines()
