"""`fieldmark optimize` as a person would run it: the aviary, folders, a kill, and what it refuses."""

import asyncio
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import fieldmark
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from fieldmark.cli import build
from fieldmark.tools.books.files import read_book
from fieldmark.tools.datasets.labelled import read_labelled
from tests.command_line import CommandLine
from tests.unit.tools.conftest import TINY_CONFIG

MAIN = "from fieldmark.cli import main; main()"
QUICK = ("--templates", "1", "--passes", "1", "--generations", "2")


def command(*arguments: object, of: str = "optimize") -> list[str]:
    return [sys.executable, "-c", MAIN, of, *map(str, arguments)]


def run(*arguments: object, code: int = 0, of: str = "optimize") -> subprocess.CompletedProcess[str]:
    """Run a command in this process: loading torch once more for each would take most of the time."""
    given = [of, *map(str, arguments)]
    done = CliRunner().invoke(build(), given, prog_name="fieldmark")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return subprocess.CompletedProcess(given, code, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "birds"
    render_dataset(folder, species_book(3, new=6, known=0), images_per_species=6, seed=3, workers=1)
    for name in ("classes.txt", "truth.json", "aviary.json"):
        (folder / name).unlink()
    return folder


def test_a_folder_without_a_language_model(birds: Path, tmp_path: Path) -> None:
    done = run("--data", birds, "--clip", "aviary", "--shots", 2, "--noun", "bird", *QUICK,
               "--out", tmp_path, "--json")  # fmt: skip
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert said["schema"] == "fieldmark.optimize/1"
    assert said["texts_encoded"] == said["distinct_texts"] > 0
    assert said["best"]["fitness"] >= said["start"]["fitness"]
    assert set(said["start"]) >= {"train_top1", "test_top1", "ci95", "fitness", "prompts"}
    assert set(said["seconds"]) >= {"total", "encode", "search"}
    assert said["resumed"] is False
    assert "No language model" in " ".join(said["notes"])
    assert (said["train_images"], said["test_images"]) == (12, 24)
    assert "Only 24 test image(s): one of them is 4.2 points of top-1." in " ".join(said["notes"])
    assert "6 classes, 2 shots each; 12 training images, 24 test images" in done.stderr
    book = Path(said["run"]) / "book.json"
    assert f"Next: fieldmark classify FOLDER --book {book} --clip aviary\n" in done.stderr
    folder = Path(said["run"])
    for name in ("book.json", "class_matrix.safetensors", "history.jsonl", "manifest.json"):
        assert (folder / name).is_file()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert any("looked at once" in note for note in manifest["notes"])
    assert sum(1 for _ in (folder / "history.jsonl").open()) == said["candidates"]


def test_kill_and_resume_end_in_the_same_book(birds: Path, tmp_path: Path) -> None:
    given = ("--data", birds, "--clip", "aviary", "--noun", "bird", "--templates", "2", "--passes", "6")
    whole = json.loads(run(*given, "--out", tmp_path / "whole", "--json").stdout)
    process = subprocess.Popen(
        command(*given, "--out", tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    history: list[Path] = []
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and process.poll() is None:
        history = list((tmp_path / "killed").glob("*/history.jsonl"))
        if history and history[0].stat().st_size > 40_000:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert history
    folder = history[0].parent
    assert not (folder / "book.json").exists()
    resumed = json.loads(run("--resume", folder.name, "--out", tmp_path / "killed", "--json").stdout)
    assert resumed["resumed"] is True
    assert resumed["texts_encoded"] == 0
    for name in ("book.json", "history.jsonl", "class_matrix.safetensors", "optimize.json"):
        assert (folder / name).read_bytes() == (Path(whole["run"]) / name).read_bytes()


def test_a_book_classifies_as_well_as_the_search_said(birds: Path, tmp_path: Path) -> None:
    found = json.loads(run("--data", birds, "--clip", "aviary", "--noun", "bird", *QUICK,
                           "--out", tmp_path / "found", "--json").stdout)  # fmt: skip
    images = read_labelled(birds, shots=1, seed=0).test
    for name, file in (("start", "start_book.json"), ("best", "book.json")):
        book = Path(found["run"]) / file
        assert read_book(book).pooling == "prototype"
        given = ["--book", book, "--max-rounds", 0, "--clip", "aviary", "--out", tmp_path / name, "--json"]
        paths = [image.path for image in images]
        told = json.loads(run(*paths, *given, "--no-report", of="classify").stdout)
        lines = (Path(told["run"]) / "predictions.jsonl").read_text().splitlines()
        labels = {row["image"]: row["label"] for row in map(json.loads, lines)}
        right = sum(labels[str(image.path)] == image.label for image in images)
        assert round(right / len(images), 4) == found[name]["test_top1"]
    assert found["start"]["test_top1"] != found["best"]["test_top1"]


def test_folds_choose_how_long_to_search(birds: Path, tmp_path: Path) -> None:
    done = run("--data", birds, "--clip", "aviary", "--shots", 4, "--noun", "bird", "--folds", 2, *QUICK,
               "--ceiling", "--out", tmp_path, "--json")  # fmt: skip
    said = json.loads(done.stdout)
    assert said["folds"] == 2
    assert said["chosen"]["stage"] in ("start", "sampled", "searched")
    assert said["fold_candidates"] > 0
    assert "Fold 2 of 2" in done.stderr
    assert "2 folds chose" in done.stderr
    folder = Path(said["run"])
    found = json.loads((folder / "optimize.json").read_text())
    assert found["folds"]["chosen"] == said["chosen"]
    assert {curve["fold"] for curve in found["folds"]["curves"]} == {1, 2}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"]["fold_candidates"] == said["fold_candidates"]
    assert any("looked at once" in note for note in manifest["notes"])
    assert any("shown the test images" in note for note in manifest["notes"])  # of the ceiling
    assert sum(1 for _ in (folder / "history.jsonl").open()) == said["candidates"]


def test_folds_without_images_enough_are_refused(birds: Path, tmp_path: Path) -> None:
    few = run("--data", birds, "--shots", 2, "--folds", 3, "--out", tmp_path, code=2).stderr
    assert "3 folds need 3 training images a class" in few
    one = run("--data", birds, "--shots", 2, "--folds", 1, "--out", tmp_path, code=2).stderr
    assert "--folds cannot be 1: one fold leaves nothing" in one
    assert not any(tmp_path.iterdir())
    uneven = tmp_path / "uneven.csv"
    rows = [f"{file},{file.parent.name}" for file in sorted(birds.glob("*/*.jpg"))]
    uneven.write_text("path,label,split\n" + "\n".join(
        f"{row},{'train' if n else 'test'}" for n, row in enumerate(rows)))  # fmt: skip
    said = run("--data", uneven, "--clip", "aviary", "--shots", 6, "--folds", 6, "--out", tmp_path / "runs",
               code=2).stderr  # fmt: skip
    assert "fewer:" in said
    assert "(5)" in said
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def another_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a small network that has learnt nothing."""
    folder = tmp_path_factory.mktemp("another")
    (folder / "open_clip_config.json").write_text(json.dumps(TINY_CONFIG))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = open_clip.CLIP(**copy.deepcopy(TINY_CONFIG["model_cfg"]))
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


def test_a_book_is_measured_on_other_encoders_too(birds: Path, another_model: Path, tmp_path: Path) -> None:
    given = ("--data", birds, "--clip", "aviary", "--noun", "bird", *QUICK, "--also-clip", another_model)
    done = run(*given, "--also-clip", "aviary", "--out", tmp_path, "--json")
    said = json.loads(done.stdout)
    other, same = said["also"]
    assert other["clip"] == str(another_model)
    assert other["best_top1"] < said["best"]["test_top1"]
    assert (same["start_top1"], same["best_top1"]) == (said["start"]["test_top1"], said["best"]["test_top1"])
    assert same["gain"] == said["gain"]
    assert f"On {another_model}: start" in done.stderr
    assert "On other encoders" in (Path(said["run"]) / "report.html").read_text()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("ViT-B-32", "names no weights"),
        ("ViT-B-32:nonsense", "no weights named"),
        ("no/such/folder", "neither a model"),
        ("aviary-2", "neither a model"),
    ],
)
@pytest.mark.parametrize("data", ["aviary", "birds"])
def test_a_wrong_other_encoder_is_refused_before_the_search(
    birds: Path, command_line: CommandLine, data: str, wrong: str, why: str
) -> None:
    images = birds if data == "birds" else data
    outcome = command_line.invoke("optimize", "--data", images, "--clip", "aviary", "--also-clip", wrong)
    assert outcome.code == 2
    assert why in outcome.err
    assert "Traceback" not in outcome.err
    assert not (command_line.folder / "runs").exists()


def test_a_model_that_cannot_be_built_is_refused_before_the_search(
    birds: Path, another_model: Path, command_line: CommandLine, tmp_path: Path
) -> None:
    broken = shutil.copytree(another_model, tmp_path / "broken")
    config = json.loads((broken / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["layers"] = 3
    (broken / "open_clip_config.json").write_text(json.dumps(config))
    outcome = command_line.invoke("optimize", "--data", birds, "--clip", "aviary", "--also-clip", broken)
    assert outcome.code == 2
    assert not (command_line.folder / "runs").exists()


def test_the_report_is_written_unless_it_is_not_wanted(birds: Path, command_line: CommandLine) -> None:
    given = ("optimize", "--data", birds, "--clip", "aviary", "--noun", "bird", *QUICK)
    outcome = command_line.invoke(*given)
    assert outcome.code == 0, outcome.err
    (report,) = (command_line.folder / "runs").glob("*/report.html")
    assert f"Report: {report.relative_to(command_line.folder)}" in outcome.out
    assert "Prompts for 6 classes" in report.read_text()
    bare = command_line.invoke(*given, "--no-report", "--out", "bare")
    assert bare.code == 0 and "Report:" not in bare.out
    (folder,) = (command_line.folder / "bare").iterdir()
    assert command_line.invoke("optimize", "--resume", folder.name, "--out", "bare").code == 0
    assert not (folder / "report.html").exists()


def test_from_python_inside_an_event_loop(birds: Path, tmp_path: Path) -> None:
    options = fieldmark.OptimizeOptions(noun="bird", most_templates=1, passes=1, generations=1)
    optimizer = fieldmark.Optimizer(data=birds, clip="aviary", options=options, out=tmp_path)

    async def inside() -> fieldmark.OptimizeResult:
        with pytest.raises(fieldmark.FieldmarkError, match=r"run\(\) was called inside") as told:
            optimizer.run()
        assert "await arun" in str(told.value.hint)
        return await optimizer.arun()

    result = asyncio.run(inside())
    assert result.best.fitness >= result.start.fitness
    again = fieldmark.Optimizer.from_run(Path(result.run).name, out=tmp_path).run()
    assert (again.best, again.resumed, again.texts_encoded) == (result.best, True, 0)


def test_a_resumed_run_keeps_its_models(
    birds: Path, tmp_path: Path, another_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDMARK_CLIP", "aviary")
    first = json.loads(run("--data", birds, "--noun", "bird", *QUICK, "--out", tmp_path, "--json").stdout)
    monkeypatch.setenv("FIELDMARK_CLIP", str(another_model))
    again = json.loads(run("--resume", first["run"], "--out", tmp_path, "--json").stdout)
    assert (again["best"], again["texts_encoded"]) == (first["best"], 0)
    manifest = json.loads((Path(first["run"]) / "manifest.json").read_text())
    assert manifest["encoder"]["name"] == "aviary"
    assert manifest["encoder_usage"]["texts_encoded"] == first["texts_encoded"] > 0


def test_a_limit_stops_the_aviary_too(tmp_path: Path) -> None:
    given = ("--data", "aviary", "--species", 3, "--shots", 1, *QUICK, "--out", tmp_path / "runs", "--json")
    stopped = run(*given, "--max-calls", 3, code=3)
    assert stopped.stdout == ""
    (folder,) = (tmp_path / "runs").iterdir()
    again = f"fieldmark optimize --resume {folder.name} --out {folder.parent}"
    assert f"Go on with a higher limit: {again} --max-calls …" in stopped.stderr
    assert json.loads(run("--resume", folder, "--max-calls", 99, "--json").stdout)["questions"] > 0


def test_what_is_wrong_is_said(birds: Path, tmp_path: Path) -> None:
    assert "--data aviary" in run(code=2).stderr
    assert "does not exist" in run("--data", tmp_path / "none", "--out", tmp_path, code=2).stderr
    assert "1 to 16 shots" in run("--data", "aviary", "--shots", 17, "--out", tmp_path, code=2).stderr
    assert "There is no run" in run("--resume", "x", "--out", tmp_path, code=2).stderr
    both = run("--resume", "x", "--seed", 3, "--out", tmp_path, code=2).stderr
    assert "--seed cannot be given with --resume" in both
    own = run("--resume", "x", "--templates", 2, "--operator", "add", "--out", tmp_path, code=2).stderr
    assert "--templates, --operator cannot be given with --resume" in own
    unused = ("--data", "aviary", "--images", birds, "--noun", "fish", "--llm", "x", "--out", tmp_path)
    assert "Leave images, noun, llm out (--images, --noun, --llm)." in run(*unused, code=2).stderr
    assert "--species" in run("--data", birds, "--species", 6, "--out", tmp_path, code=2).stderr
    assert "--blind" in run("--data", birds, "--blind", 2, "--out", tmp_path, code=2).stderr
    assert "--operator reflect" in run("--data", birds, "--reflections", 2, "--out", tmp_path, code=2).stderr
    assert not any(tmp_path.iterdir())


def test_reflecting_asks_between_passes_and_says_what_it_was_worth(birds: Path, tmp_path: Path) -> None:
    guide = Guide(species_book(3, new=6, known=0), GuideSettings(mistakes=0.15))
    given = ("--data", birds, "--clip", "aviary", "--noun", "bird", "--templates", "1", "--passes", "2",
             "--generations", "3", "--operator", "reflect", "--out", tmp_path)  # fmt: skip
    with GuideServer(guide) as server:
        asked = ("--llm", server.model, "--base-url", server.base_url)
        said = json.loads(run(*given, *asked, "--json").stdout)
        printed = run(*given, *asked, "--reflections", 1).stdout
    done = said["reflect"]
    assert done["failed"] == 0
    assert 0 < done["questions"] <= 8
    assert said["questions"] > done["questions"]
    assert "Reflecting: 1 question before 1 pass, 0 failed" in printed
    assert "It is not a language model." in printed and printed.count("It is not") == 1
    rows = [json.loads(line) for line in (Path(said["run"]) / "history.jsonl").open()]
    by = [row["edit"]["by"] for row in rows if row["edit"]]
    assert by.count("reflect") == done["edits_scored"] > 0
    assert json.loads((Path(said["run"]) / "optimize.json").read_text())["reflect"] == done


def test_an_operator_of_ones_own_runs_and_a_wrong_one_is_said(birds: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "optimize.md").read_text(encoding="utf-8")
    (tmp_path / "half.py").write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    given = ("--data", birds, "--clip", "aviary", "--noun", "bird", *QUICK, "--out", tmp_path / "runs")
    said = json.loads(run(*given, "--operator", f"{tmp_path / 'half.py'}:Half", "--json").stdout)
    rows = [json.loads(line) for line in (Path(said["run"]) / "history.jsonl").open()]
    assert "half" in {row["edit"]["by"] for row in rows if row["edit"]}
    assert said["reflect"] is None
    assert "no operator 'swap'" in run(*given, "--operator", "swap", code=2).stderr
    random = run(*given, "--operator", "reflect", "--strategy", "random", code=2)
    assert "runs no operators" in random.stderr
    alone = run(*given, "--operator", "reflect")
    assert "nothing was reflected on" in alone.stdout
