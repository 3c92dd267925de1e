"""`fieldmark classify --multi`: several labels an image, as a user would."""

import csv
from pathlib import Path

import pytest

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.world.dataset import read_truth
from tests.command_line import CommandLine


@pytest.fixture
def together(command_line: CommandLine, tmp_path: Path) -> Path:
    """Pictures of one or two birds, whose names the model knows."""
    drawn = command_line.invoke(
        "aviary",
        "render",
        tmp_path / "birds",
        "--together",
        "--species",
        0,
        "--known",
        6,
        "--images",
        6,
        "--json",
    )
    assert drawn.code == 0, drawn.err
    assert drawn.json["images"] == 36
    return tmp_path / "birds"


def test_labels_thresholds_tables_and_page(command_line: CommandLine, together: Path) -> None:
    given = (
        "classify",
        together,
        "--classes",
        together / "classes.txt",
        "--clip",
        "aviary",
        "--multi",
        "--json",
    )
    plain = command_line.invoke(*given, "--all-classes")
    assert plain.code == 0, plain.err
    said = plain.json
    assert (said["schema"], said["labelled"], len(said["images"])) == ("fieldmark.multi/1", 0, 36)
    assert "nothing calibrated the probabilities" in plain.err
    run = command_line.folder / said["run"]
    table = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8")))
    thresholds = {each["class_name"]: each["threshold"] for each in said["classes"]}
    for row, image in zip(table, said["images"], strict=True):
        assert row["labels"] == ("|".join(image["labels"]) or "none of these")
        for name, threshold in thresholds.items():
            assert (float(row[f"probability: {name}"]) >= threshold) == (name in image["labels"])
    assert "Nobody labelled anything" in (run / "report.html").read_text(encoding="utf-8")

    labels = together.parent / "some.csv"
    lines = (together / "labels.csv").read_text().splitlines()
    labels.write_text("\n".join(lines[:19]) + "\n")
    truth = dict(line.split(",") for line in lines[1:])
    calibrated = command_line.invoke(*given, "--labels", labels)
    assert calibrated.code == 0, calibrated.err
    assert calibrated.json["labelled"] == 18
    assert "18 labelled images set the thresholds" in calibrated.err
    own = [each for each in calibrated.json["images"] if each["said"]]
    assert len(own) == 18
    assert all(set(each["labels"]) == set(truth[Path(each["image"]).name].split("|")) for each in own)
    others = [each for each in calibrated.json["images"] if not each["said"]]
    found = sum(len(set(each["labels"]) & set(truth[Path(each["image"]).name].split("|"))) for each in others)
    wrong = sum(len(each["labels"]) for each in others) - found
    assert found > wrong


def test_what_does_not_fit_is_said(command_line: CommandLine, together: Path) -> None:
    given = ("classify", together, "--classes", together / "classes.txt", "--clip", "aviary", "--multi")
    for more, said in (
        (("--method", "transclip-zs"), "does not score each class by itself"),
        (("--tau", "0.1"), "--tau is of no use to several labels an image"),
        (("--method", "nonsense"), "There is no method"),
        (("--method", "dclip"), "asks a language model"),
        (("--no-cache", "--refresh"), "exclude each other"),
    ):
        refused = command_line.invoke(*given, *more)
        assert refused.code == 2, refused.err
        assert said in refused.err


def test_a_limit_keeps_what_was_answered(command_line: CommandLine, together: Path) -> None:
    species, _ = read_truth(together)
    with GuideServer(Guide(species)) as server:
        given = (
            "classify", together, "--classes", together / "classes.txt", "--clip", "aviary", "--multi",
            "--noun", "bird", "--llm", server.model, "--base-url", server.base_url,
        )  # fmt: skip
        few = command_line.invoke(*given[:1], next(together.glob("*.*g")), *given[2:])
        assert (few.code, "at least 10 images" in few.err) == (2, True), few.err
        assert server.questions_answered == 0
        stopped = command_line.invoke(*given, "--max-calls", 5)
        assert stopped.code == 3, stopped.err
        assert "Give it again with a higher limit" in stopped.err
        assert "--resume" not in stopped.err
        done = command_line.invoke(*given)
        assert done.code == 0, done.err
        assert "5 answered from the cache" in done.out
