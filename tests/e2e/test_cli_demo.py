"""`fieldmark demo` as a new user runs it: once cold, once warm."""

from pathlib import Path
from typing import Any

from tests.command_line import CommandLine

DEMO = ("demo", "--species", 4, "--images", 3, "--seed", 3, "--json")


def result_of(value: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on what was in the cache."""
    kept = ("seed", "books", "images", "classes", "ladder", "paired", "resolved", "ambiguous", "questions")
    return {name: value[name] for name in kept}


def test_a_cold_and_a_warm_demo(command_line: CommandLine) -> None:
    cold = command_line.run(*DEMO)
    assert cold.code == 0, cold.err
    value = cold.json
    assert cold.out.startswith('{"schema":"fieldmark.demo/1",')
    assert cold.out.count("\n") == 1
    assert value["ladder"][0]["name"] == "names"
    assert {rung["name"] for rung in value["ladder"]} >= {"names", "descriptors", "fudd", "resolve"}
    assert (value["images"], value["classes"]) == (12, 4)
    assert value["llm"]["requests"] > 0 and value["llm"]["failed"] == 0
    assert value["encoder"]["images_encoded"] == 12
    run = command_line.folder / value["run"]
    assert {path.name for path in run.iterdir()} >= {
        "config.json",
        "manifest.json",
        "report.html",
        "book.json",
    }
    assert str(Path(value["run"]) / "report.html") in cold.err
    assert "It is not a language model." in cold.err
    assert "12 images of 4 species" in cold.err
    assert "resolve minus everything" in cold.err
    assert "95% interval" in cold.err
    gap = value["resolved"]["at_equal_coverage"]
    assert gap["ci95"][0] <= gap["difference"] <= gap["ci95"][1]
    told = f"{100 * gap['difference']:+.1f} points"
    assert told in cold.err
    assert told in (run / "report.html").read_text(encoding="utf-8")
    assert "Rung: the resolve loop …" in cold.lines
    assert "Traceback" not in cold.err and "arning" not in cold.err

    warm = command_line.run(*DEMO, "--no-report", "--out", "else where").json
    assert warm["llm"]["requests"] == 0
    assert warm["llm"]["cached"] > 0
    assert (warm["encoder"]["images_encoded"], warm["encoder"]["texts_encoded"]) == (0, 0)
    assert result_of(warm) == result_of(value)
    assert warm["run"].startswith("else where/")
    assert not (command_line.folder / warm["run"] / "report.html").exists()


def test_wrong_numbers(command_line: CommandLine) -> None:
    for option, value in (("--species", 1), ("--images", 0), ("--books", 0), ("--mistakes", 0.7)):
        outcome = command_line.invoke("demo", option, value)
        assert outcome.code == 2
        assert option in outcome.err
    assert not (command_line.folder / "runs").exists()
