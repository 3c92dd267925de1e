"""`fieldmark demo` as a new user runs it: once cold, once warm."""

from pathlib import Path
from typing import Any

from tests.command_line import CommandLine

DEMO = ("demo", "--clear", "--rule", "table", "--species", 4, "--images", 3, "--seed", 3, "--json")


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

    warm = command_line.invoke(*DEMO, "--no-report", "--out", "else where").json
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


HARD = (
    "--names", "mixed", "--image-noise", 0.5, "--text-noise", 0.25, "--mistakes", 0.25, "--unlisted", 0.25,
    "--present", 0.5, "--strangers", 5, "--blind", 2,
)  # fmt: skip


def test_all_that_makes_a_world_hard_at_once(command_line: CommandLine) -> None:
    given = ("demo", "--species", 8, "--images", 3, "--seed", 3, "--labels", 2, "--robustness", *HARD)
    done = command_line.invoke(*given, "--rule", "evidence", "--json")
    assert done.code == 0, done.err
    value = done.json
    assert value["conditions"] == {
        "names": "mixed", "species": 8, "images": 3, "image_noise": 0.5, "text_noise": 0.25, "mistakes": 0.25,
        "unlisted": 0.25, "present": 0.5, "strangers": 5, "blind": 2, "labels": 2, "rule": "evidence",
        "habitats": 0.0, "burst": 1,
    }  # fmt: skip
    # Six classes, three of them with images; two species beside them; strangers; labelled images apart.
    assert (value["classes"], value["images"], value["labelled"]) == (6, 9, 12)
    found = value["open_set"]
    counts = {kind: sum(found[kind].values()) for kind in ("listed", "unlisted", "strangers")}
    assert counts == {"listed": 9, "unlisted": 6, "strangers": 5}
    assert value["encoder"]["distinct_images"] == 20
    assert value["resolved"]["count"] == found["listed"]["resolved"]
    assert all(0 <= found[name] <= 1 for name in ("auroc_unlisted", "auroc_strangers"))
    assert value["calibration"]["images"] == 9 and 0 <= value["calibration"]["ece"] <= 1
    assert value["robustness"]["images_one_by_one"] == 9
    for kind, told in (("Of unlisted species: 6 images", "6 pictures of unlisted species"),
                       ("Strangers: 5 images", "5 pictures without a bird")):  # fmt: skip
        assert kind in done.err
        assert told in (command_line.folder / value["run"] / "report.html").read_text(encoding="utf-8")

    clear = command_line.invoke(*DEMO).json["conditions"]
    middle = command_line.invoke(*(option for option in DEMO if option != "--clear")).json["conditions"]
    assert (clear["names"], clear["image_noise"], clear["strangers"]) == ("new", 0.0, 0)
    assert (middle["names"], middle["image_noise"], middle["strangers"]) == ("mixed", 1.0, 20)


def test_the_same_world_for_a_table_and_for_a_search(command_line: CommandLine) -> None:
    few = ("--species", 8, "--per-class", 2, "--seed", 3, "--json", "--no-report")
    measured = command_line.invoke(
        "eval", "--data", "aviary", "--methods", "clip,dclip", "--shots", 1, *few, *HARD
    )
    assert measured.code == 0, measured.err
    assert measured.json["settings"] == ["taxonomy"]  # mixed names
    assert measured.json["clip"].endswith("(weakened)")
    assert any("unlisted 0.25, present 0.5, strangers 5, blind 2" in note for note in measured.json["notes"])
    assert {row["images"] for row in measured.json["rows"]} == {3 * 2}
    own = [value for place, value in enumerate(HARD) if HARD[place - place % 2] not in POOL]
    searched = command_line.invoke("optimize", "--data", "aviary", "--passes", 0, *few, *own)
    assert searched.code == 0, searched.err
    assert searched.json["classes"] == 8
    assert command_line.invoke("optimize", "--data", "aviary", *HARD).code == 2


POOL = ("--unlisted", "--present", "--strangers")


def test_open_images_get_a_group(command_line: CommandLine) -> None:
    outcome = command_line.invoke(
        "demo", "--clear", "--species", 12, "--images", 3, "--seed", 3, "--tree", "ask", "--json"
    )
    assert outcome.code == 0, outcome.err
    graded = outcome.json["graded"]
    assert graded["images"] == 36
    assert graded["right_label"] == outcome.json["ladder"][-1]["top1"]
    assert 0 < graded["grouped"] <= 36
    assert graded["right_group"] >= graded["right_label_of_grouped"]
    told = f"{graded['tree_distance']:.2f} steps"
    assert told in outcome.err
    run = command_line.folder / outcome.json["run"]
    assert told in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "tree.json").is_file()
