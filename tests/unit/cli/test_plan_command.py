"""`fieldmark plan` prints a table and one JSON object, and refuses what cannot be in a sentence."""

from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.app.planning import measuring
from tests.command_line import CommandLine
from tests.seeing import draw

SIZE = ("--images", "1e6", "--classes", "1,000")


def test_a_plan_in_words_and_as_json(command_line: CommandLine) -> None:
    said = command_line.invoke("plan", *SIZE, "--clip", "ViT-L-14:openai", "--device", "cpu")
    assert said.code == 0
    for word in (
        "1,000,000 images, 1,000 classes, ViT-L-14:openai (768 values a vector)",
        "not known",
        "vectors on disk",
        "--measure",
    ):
        assert word in said.out
    made = command_line.invoke(
        "plan", *SIZE, "--clip", "aviary", "--device", "cpu", "--images-per-second", 100, "--workers", 4,
        "--price-in", 1, "--price-out", 4, "--json",
    ).json  # fmt: skip
    parts = {each["part"]: each for each in made["parts"]}
    assert (made["schema"], made["width"], made["images"]) == ("fieldmark.plan/1", 192, 1_000_000)
    assert parts["encoding"]["amount"] == pytest.approx(2500)
    assert "--engine ray" in parts["encoding"]["command"]
    assert 0 < parts["money"]["amount"] < parts["money"]["most"]
    assert made["unit_costs"]["encoding aviary cpu"]["measured"]
    assert not any(command_line.folder.glob("runs"))


def test_a_pool_beyond_the_memory_is_told_the_commands_of_a_sample(command_line: CommandLine) -> None:
    said = command_line.invoke("plan", *SIZE, "--clip", "aviary", "--device", "cpu", "--memory", 2).out
    assert "fieldmark export RUN --out LEARNED" in said
    assert "fieldmark predict LEARNED PHOTOS --table labels.parquet" in said


def test_prices_come_from_the_settings_too(command_line: CommandLine) -> None:
    prices = {"FIELDMARK_PRICE_PROMPT": "1", "FIELDMARK_PRICE_COMPLETION": "4"}
    priced = replace(command_line, more={**command_line.more, **prices})
    made = priced.invoke("plan", *SIZE, "--clip", "aviary", "--device", "cpu", "--json").json
    [money] = [each for each in made["parts"] if each["part"] == "money"]
    assert 0 < money["amount"] < money["most"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--images", "many", "--classes", 3), "no whole number"),
        (("--images", "1.5", "--classes", 3), "no whole number"),
        (("--images", "1e999", "--classes", 3), "no whole number"),
        (("--images", 0, "--classes", 3), "images cannot be 0"),
        (("--images", 10, "--classes", 1e6), "classes cannot be 1000000"),
        ((*SIZE, "--price-in", 1), "One price is missing"),
        ((*SIZE, "--memory", 0), "--memory cannot be 0"),
        ((*SIZE, "--measure", "photos", "--width", 512), "Leave them out"),
    ],
)
def test_what_cannot_be_is_refused(command_line: CommandLine, given: tuple[object, ...], said: str) -> None:
    outcome = command_line.invoke("plan", *given)
    assert outcome.code == 2
    assert said in " ".join(outcome.err.split())
    assert outcome.out == ""


def test_it_measures_the_pictures_that_it_is_shown(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(command_line.folder / "photos", ["red", "green"])
    monkeypatch.setattr(measuring.measure_encoding, "__kwdefaults__", {"home": None, "seconds": 0.05})
    outcome = command_line.invoke("plan", *SIZE, "--clip", "aviary", "--measure", "photos", "--json")
    [encoding] = [each for each in outcome.json["parts"] if each["part"] == "encoding"]
    assert encoding["amount"] > 0
    assert Path(command_line.folder / "photos").is_dir()
