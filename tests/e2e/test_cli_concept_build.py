"""From a name to an exported classifier and its predictions, as a script would go about it; offline."""

import csv
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
import typer
from PIL import Image

from fieldmark.app.stores import open_stores
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from fieldmark.records import RunManifest
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.images.files import find_images
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import RESUMED
from tests.command_line import CommandLine
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion
from tests.seeing import data_of, hash_of

FILES = {"README.md", "config.json", "head.onnx", "head.safetensors", "instructions.md"}
SMALL = ("--annotate", 60, "--rounds", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A concept that was talked about, labelled and built, with CLIP alone."""
    folder = tmp_path_factory.mktemp("made")
    line = CommandLine(folder, folder / "home", {})
    book = species_book(7, new=12, known=0)
    render_dataset(folder / "birds", book, images_per_species=8, seed=3, workers=1)
    birds = sorted((folder / "birds").rglob("*.jpg"))
    rows = [
        {"image": "/".join(bird.parts[-2:]), "label": "in" if "hawk" in bird.parts[-2] else "out"}
        for bird in birds
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for command in (
        ("new", "hawk", "--pool", "birds", "--clip", "aviary", "--blind", 24, "--vlm", "none"),
        ("chat", "hawk", "--answers", "answers.jsonl", "--boards", 3),
        ("label", "hawk", "--blind", "--answers", "answers.jsonl"),
        ("build", "hawk", *SMALL),
    ):
        done = line.invoke("concept", *command)
        assert done.code == 0, done.err
    return line


@pytest.fixture
def line(made: CommandLine, tmp_path: Path) -> CommandLine:
    """The same, in a place of its own."""
    shutil.copytree(made.folder, tmp_path / "here")
    return CommandLine(tmp_path / "here", tmp_path / "here" / "home", {})


def concept_folder(line: CommandLine) -> Path:
    return line.home / "concepts" / "hawk"


def record(line: CommandLine) -> dict[str, list[object]]:
    return json.loads((concept_folder(line) / "concept.json").read_text())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_sittings_and_builds_leave_a_manifest_and_events(line: CommandLine) -> None:
    folder = RunFolder(concept_folder(line))
    kept = folder.read("manifest.json", RunManifest)
    assert (kept.run_id, kept.kind, kept.stop_reason) == ("hawk", "concept", "built")
    assert kept.counts == {"versions": 1, "labels": len(record(line)["labels"])}
    assert kept.encoder["name"] == "aviary"
    lines = [json.loads(each)["event"] for each in (folder.path / "events.jsonl").read_text().splitlines()]
    assert lines.index("board") < lines.index("board_done") < lines.index("finished") < lines.index("grown")
    # A concept of before there were manifests goes on, and what it spent then is said to be uncounted.
    (folder.path / "manifest.json").unlink()
    assert line.invoke("concept", "chat", "hawk", "--answers", "answers.jsonl", "--more").code == 0
    assert folder.read("manifest.json", RunManifest).notes == (RESUMED,)


def test_labels_to_tune_on_leave_the_blind_test_out(line: CommandLine) -> None:
    done = line.invoke("export-rft", "hawk", "--out", "tuning", "--layout", "trl-grpo", "--json")
    assert done.code == 0, done.err
    assert done.json["source"] == {"concept": "hawk", "version": "1"}
    assert done.json["held_out"] == "test"
    rows = [
        json.loads(each)
        for path in sorted((line.folder / "tuning").glob("*/metadata.jsonl"))
        for each in path.read_text().splitlines()
    ]
    concept = json.loads((concept_folder(line) / "concept.json").read_text())
    said = {each["image"]: each["value"] for each in concept["labels"] if each["split"] == "dev"}
    assert {row["image_hash"]: row["answer"] for row in rows} == {
        image: value for image, value in said.items() if image not in concept["blind"]
    }
    again = line.invoke("export-rft", "hawk", "--out", "tuning")
    assert (again.code, "is not empty" in again.err) == (2, True)


def test_a_dry_run_says_what_a_build_would_ask(line: CommandLine) -> None:
    before = (concept_folder(line) / "manifest.json").read_bytes()
    nothing = line.invoke("concept", "build", "hawk", *SMALL, "--dry-run")
    assert (nothing.code, "nothing is asked" in nothing.out) == (0, True), nothing.err
    with FaultyEndpoint([completion("{}")]) as endpoint:
        judged = ("--llm", "m", "--vlm", "m", "--base-url", endpoint.base_url)
        build = ("concept", "build", "hawk", *SMALL, *judged, "--dry-run", "--json")
        told, debated = line.invoke(*build).json, line.invoke(*build, "--debates", 40).json
        assert not endpoint.asked
    look = told["first_look"]
    # The queries, those drawn at random, and those that were labelled beside them.
    assert (look["questions"], look["cached"]) == (1 + 30 + 8, 0)
    assert told["follow_up_most"] == 30
    assert debated["follow_up_most"] == 30 + 2 * 3 * 40
    assert debated["follow_up_tokens"] > told["follow_up_tokens"] > 0
    assert look["tokens"] > 0
    assert (concept_folder(line) / "manifest.json").read_bytes() == before


def test_a_dry_run_says_what_measuring_would_ask_and_is_no_look(line: CommandLine) -> None:
    said = line.invoke("concept", "evaluate", "hawk", "--dry-run", "--json")
    assert (said.code, said.json["images"], said.json["first_look"]["to_ask"]) == (0, 24, 0), said.err
    settings = concept_folder(line) / "models" / "v1" / "settings.json"
    kept = json.loads(settings.read_text())
    kept["setup"] |= {"llm": "m", "vlm": "m"}
    settings.write_text(json.dumps(kept))
    with FaultyEndpoint([completion("{}")]) as endpoint:
        judged = line.invoke(
            "concept", "evaluate", "hawk", "--base-url", endpoint.base_url, "--dry-run", "--json"
        )
        assert judged.json["first_look"]["to_ask"] == 24
        assert judged.json["first_look"]["tokens"] > 0
        assert not endpoint.asked
    assert "blind_looks" not in record(line) or not record(line)["blind_looks"]
    assert not (concept_folder(line) / "models" / "v1" / "measurement.json").exists()


def test_the_whole_path(line: CommandLine) -> None:
    again = line.invoke("concept", "build", "hawk", *SMALL, "--json").json
    assert again["schema"] == "fieldmark.concept-build/1"
    assert (again["version"], again["unjudged"], again["debated"]) == (1, 0, 0)
    assert "CLIP alone" in again["notes"][0]

    first = line.invoke("concept", "evaluate", "hawk", "--json")
    assert "the one look at the blind test for version 1 of 'hawk': its 24 labels" in first.err
    assert (first.code, first.json["looked_now"], first.json["images"]) == (0, True, 24)
    assert {judge["name"] for judge in first.json["judges"]} >= {"classifier", "annotator", "name"}
    assert record(line)["blind_looks"] == [1]
    second = line.invoke("concept", "evaluate", "hawk", "--json")
    assert "one look" not in second.err
    assert "no further look" in second.err
    assert second.json == {**first.json, "looked_now": False}
    assert "its annotator" in line.invoke("concept", "evaluate", "hawk").out

    exported = line.invoke("concept", "export", "hawk", "--out", "my hawks", "--json").json
    out = line.folder / "my hawks"
    assert {path.name for path in out.iterdir()} == {*FILES, "exemplars"}
    assert exported["files"] == {
        str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.*")
    }
    card = (out / "README.md").read_text()
    assert "fieldmark concept predict 'my hawks' photos/" in card
    assert "Measured once" in card
    assert "CLIP alone" in card
    shutil.rmtree(line.home / "concepts")  # it stands alone
    (line.folder / "birds" / "broken.jpg").write_bytes(b"")
    found = line.invoke("concept", "predict", "my hawks", "birds", "--json")
    assert found.code == 0, found.err
    assert [Path(skipped["path"]).name for skipped in found.json["skipped"]] == ["broken.jpg"]
    right = [("hawk" in p["image"]) == (p["label"] == "in") for p in found.json["predictions"]]
    assert (len(right), sum(right) > 90) == (96, True)
    line.invoke("concept", "predict", "my hawks", "birds", "--only", "in", "--csv", "in.csv")
    with (line.folder / "in.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [
        each["image"] for each in found.json["predictions"] if each["label"] == "in"
    ]
    assert line.invoke("predict", "my hawks", "birds", "--table", "all.csv").code == 0
    with (line.folder / "all.csv").open(newline="", encoding="utf-8") as file:
        assert [(row["image"], row["label"]) for row in csv.DictReader(file)] == [
            (each["image"], each["label"]) for each in found.json["predictions"]
        ]
    clause = found.json["predictions"][0]["clauses"][0]
    assert all(0 <= float(row[f"{clause['role']}: {clause['text']}"]) <= 1 for row in rows)
    words = line.invoke("concept", "predict", "my hawks", "birds", "--only", "in").out.splitlines()
    assert len(words) == sum(p["label"] == "in" for p in found.json["predictions"])
    assert all(said.startswith("in   ") and "necessary" in said for said in words)


def test_the_onnx_model_says_the_same(line: CommandLine) -> None:
    assert line.invoke("concept", "export", "hawk", "--out", "out").code == 0
    found = line.invoke("concept", "predict", "out", "birds", "--json").json["predictions"]
    with open_stores(line.home) as stores:
        encoder = stores.encoder("aviary", device="cpu")
        vectors = encoder.encode_images(find_images(line.folder / "birds").images).vectors
        head, _ = load_head(line.folder / "out", encoder)
    session = onnxruntime.InferenceSession(line.folder / "out" / "head.onnx")
    p, clauses = session.run(None, {"vectors": vectors.numpy()})
    own, own_clauses = head.probabilities(vectors)
    assert np.abs(p - own.numpy()).max() < 1e-5
    assert np.abs(clauses - own_clauses.numpy()).max() < 1e-5
    assert torch.allclose(own, torch.tensor([each["probability"] for each in found]), atol=1e-5)
    assert p.max() - p.min() > 0.5


def test_too_early_is_said_with_what_comes_first(line: CommandLine) -> None:
    new = line.invoke("concept", "new", "Owls", "--pool", "birds", "--clip", "aviary", "--blind", 24)
    assert new.code == 0, new.err
    for command, more in (("build", ()), ("evaluate", ()), ("export", ("--out", "out"))):
        early = line.invoke("concept", command, "Owls", *more)
        assert (early.code, "has no definition yet" in early.err) == (2, True)
        nothing = line.invoke("concept", command, "nothing", *more)
        assert (nothing.code, "There is no concept" in nothing.err) == (2, True)
        nine = line.invoke("concept", command, "hawk", "--version", 9, *more)
        assert (nine.code, "has no version 9" in nine.err) == (2, True)
    assert line.invoke("concept", "chat", "Owls", "--answers", "answers.jsonl", "--boards", 0).code == 0
    for command, more in (("evaluate", ()), ("export", ("--out", "out"))):
        early = line.invoke("concept", command, "Owls", *more)
        assert (early.code, "no classifier yet" in early.err) == (2, True)
    assert not (line.folder / "out").exists()


def test_at_a_terminal_it_asks_before_the_look(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("fieldmark.cli.concept.evaluate.sys", terminal)

    def interrupt(*_: object, **__: object) -> bool:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", interrupt)
    assert line.invoke("concept", "evaluate", "hawk").code == 130
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)  # pyright: ignore
    declined = line.invoke("concept", "evaluate", "hawk")
    assert (declined.code, declined.out) == (0, "")
    assert record(line)["blind_looks"] == []
    monkeypatch.setattr(typer, "confirm", interrupt)
    assert line.invoke("concept", "evaluate", "hawk", "--yes").code == 0
    assert line.invoke("concept", "evaluate", "hawk").code == 0, "what is known is not asked about"


def test_a_test_with_too_few_labels_is_not_looked_at(line: CommandLine) -> None:
    path = concept_folder(line) / "concept.json"
    concept = json.loads(path.read_text())
    concept["labels"] = [label for label in concept["labels"] if label["split"] == "dev"]
    path.write_text(json.dumps(concept))
    few = line.invoke("concept", "evaluate", "hawk")
    assert (few.code, "0 labels, 0 of them in: too few" in few.err) == (2, True)
    assert "one look" not in few.err


def test_what_changed_since_the_build_is_built_before_the_look(line: CommandLine) -> None:
    labelled = {label["image"] for label in record(line)["labels"]}  # pyright: ignore
    pool = json.loads((concept_folder(line) / "pool.json").read_text())
    fresh = next(row["path"] for row in pool if row["hash"] not in labelled)
    assert line.invoke("concept", "label", "hawk", fresh, "--answers", "answers.jsonl").code == 0
    stale = line.invoke("concept", "evaluate", "hawk")
    assert (stale.code, "has changed since" in stale.err) == (2, True)
    assert record(line)["blind_looks"] == []
    assert line.invoke("concept", "build", "hawk", *SMALL).code == 0
    assert line.invoke("concept", "evaluate", "hawk").code == 0
    other = line.invoke("concept", "build", "hawk", "--annotate", 50)
    assert (other.code, "was measured on the blind test" in other.err) == (2, True)
    model = concept_folder(line) / "models" / "v1"
    (model / "measurement.json").write_text("{")
    damaged = line.invoke("concept", "evaluate", "hawk")
    assert (damaged.code, "is damaged" in damaged.err) == (2, True)
    (model / "measurement.json").unlink()
    gone = line.invoke("concept", "evaluate", "hawk")
    assert (gone.code, "the result is gone" in gone.err) == (2, True)


def test_another_build_does_not_pass_for_this_one_and_a_damaged_one_is_made_anew(line: CommandLine) -> None:
    weights = concept_folder(line) / "models" / "v1" / "head.safetensors"
    before = weights.read_bytes()
    other = line.invoke("concept", "build", "hawk", "--annotate", 30, "--rounds", 0, "--json").json
    assert other["annotated"] < 60
    assert line.invoke("concept", "build", "hawk", *SMALL).code == 0
    assert weights.read_bytes() == before
    flip(weights)
    refused = line.invoke("concept", "export", "hawk", "--out", "out")
    assert (refused.code, "is damaged" in refused.err, "Build it again" in refused.err) == (2, True, True)
    assert line.invoke("concept", "build", "hawk", *SMALL).code == 0
    assert weights.read_bytes() == before


def test_where_an_export_may_go(line: CommandLine) -> None:
    def export(where: object) -> tuple[int, str]:
        done = line.invoke("concept", "export", "hawk", "--out", where)
        return done.code, done.err

    own = line.folder / "own"
    own.mkdir()
    assert export("own")[0] == 0, "an empty folder will do"
    (own / "notes.txt").write_text("mine")
    stale = own / "exemplars" / f"{'0' * 16}.jpg"
    stale.write_bytes(b"")
    flip(own / "head.onnx")
    (own / "config.json").write_text("{")
    assert line.invoke("concept", "predict", "own", "birds").code == 2
    code, said = export("own")
    assert code == 0
    assert "was not measured" in said
    assert not stale.exists()
    assert (own / "notes.txt").exists()
    assert line.invoke("concept", "predict", "own", "birds").code == 0

    (line.folder / "full").mkdir()
    (line.folder / "full" / "config.json").write_text("{}")
    assert "holds no exported classifier" in export("full")[1]
    assert "is no folder" in export("answers.jsonl")[1]
    assert "belongs to the concept" in export(concept_folder(line) / "models" / "v1")[1]
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "concept": "Owls"}))
    assert "another concept, 'Owls'" in export("own")[1]
    assert not list(line.folder.glob(".*.tmp"))


def test_predicting_refuses_what_does_not_fit(line: CommandLine) -> None:
    assert line.invoke("concept", "export", "hawk", "--out", "out").code == 0
    (line.folder / "blank").mkdir()
    bird = next((line.folder / "birds").rglob("*.jpg"))
    odd = line.folder / "odd\nname.jpg"
    shutil.copy(bird, odd)
    words = line.invoke("concept", "predict", "out", odd)
    assert (words.code, len(words.out.splitlines())) == (0, 1)
    assert "odd\\nname.jpg" in words.out
    assert line.invoke("concept", "predict", "out", odd, "--json").json["predictions"][0]["image"] == str(odd)
    many = line.invoke("concept", "predict", "out", bird, "--also", "out", "--csv", "many.csv", "--json")
    assert many.code == 0, many.err
    first, second = (each["class_name"] for each in many.json["classes"])
    with (line.folder / "many.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row[f"probability: {first}"] == row[f"probability: {second}"]
    for arguments, says in (
        (("out", "blank"), "No image in blank"),
        (("out", "nowhere"), "'nowhere' does not exist"),
        (("blank", "birds"), "holds no exported classifier"),
        (("out", "birds", "--clip", "RN50:random"), "was made with aviary"),
        (("out", "birds", "--only", "unsure"), "--only cannot be 'unsure'"),
        (("out", "birds", "--also", "out", "--only", "in"), "--only is of no use to several concepts"),
        (("out", "birds", "--also", "blank"), "holds no exported classifier"),
    ):
        refused = line.invoke("concept", "predict", *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert says in refused.err
    flip(line.folder / "out" / "head.safetensors")
    damaged = line.invoke("concept", "predict", "out", "birds")
    assert (damaged.code, "head.safetensors is damaged" in damaged.err) == (2, True)


@pytest.mark.parametrize("command", ["build", "evaluate", "export", "predict"])
def test_help(command_line: CommandLine, command: str) -> None:
    said = command_line.invoke("concept", command, "--help")
    assert said.code == 0
    assert "Exit codes" in said.out or command == "export"


def looking(birds: Path) -> Callable[[Received], Reply]:
    """A vision-language model that knows the pictures, and misreads one in eight; it argues for "in"."""
    hawks = {sha256(path.read_bytes()).hexdigest(): "hawk" in str(path) for path in birds.rglob("*.jpg")}

    def answer(request: Received) -> Reply:
        if request.body is None:
            return Reply(hang_up=True)
        data = data_of(request.text)
        if "round" in data:
            return completion(json.dumps({"rationale": "Because.", "side": "in", "confidence": 80}))
        if "side" in data:
            return completion(json.dumps({"argument": "Because.", "concedes": False}))
        if (picture := picture_of(request)) is None:
            return completion(json.dumps({"positive": ["a hawk"], "near_miss": ["a wren"]}))
        misread = int(picture[:2], 16) % 8 == 0
        found = "yes" if hawks[picture] != misread else "no"
        findings = [{"clause": c["id"], "finding": found, "confidence": 90} for c in data["clauses"]]
        said = {"seen": "a bird on a branch", "findings": findings, "rationale": "So it looks."}
        return completion(json.dumps(said))

    return answer


def picture_of(request: Received) -> str | None:
    """Hash of the picture in a question; None where it holds none."""
    for message in request.body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                return hash_of(part["image_url"]["url"])
    return None


def with_words(line: CommandLine, endpoint: FaultyEndpoint) -> CommandLine:
    return CommandLine(
        line.folder, line.home, {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": "none"}
    )


def test_a_limit_and_a_dead_endpoint_lose_nothing(line: CommandLine) -> None:
    small = ("build", "hawk", *SMALL, "--debates", 1, "--llm", "m", "--vlm", "m")
    with FaultyEndpoint([looking(line.folder / "birds")]) as endpoint:
        asking = with_words(line, endpoint)
        limited = asking.invoke("concept", *small, "--max-calls", 20)
        assert (limited.code, limited.out) == (3, "")
        assert "The same command goes on where it was." in limited.err
        dead = line.invoke("concept", *small, "--base-url", "http://127.0.0.1:9/v1")
        assert (dead.code, "goes on where it was" in dead.err) == (2, True)
        done = asking.invoke("concept", *small, "--json")
        assert done.code == 0, done.err
        questions = [json.dumps(each.body, sort_keys=True) for each in endpoint.received if each.body]
        asked = [each for each in questions if "image_url" in each]
        assert len(set(asked)) == len(asked), "something was asked twice"
        assert "judged by `m`, a vision-language model" in done.json["notes"][0]
        assert done.json["debated"] == 1
        instructions = concept_folder(line) / "models" / "v1" / "instructions.md"
        assert "a bird on a branch" in instructions.read_text()

        no_look = asking.invoke("concept", "evaluate", "hawk", "--max-calls", 1)
        assert (no_look.code, "The blind test was not looked at." in no_look.err) == (3, True)
        assert record(line)["blind_looks"] == []
        looked = asking.invoke("concept", "evaluate", "hawk", "--json")
        assert (looked.code, looked.json["looked_now"]) == (0, True), "with the models of its build"


def test_ctrl_c_and_the_same_command_again(line: CommandLine) -> None:
    answer = looking(line.folder / "birds")

    def slowly(request: Received) -> Reply:
        time.sleep(0.05)
        return answer(request)

    small = ("concept", "build", "hawk", *SMALL, "--debates", 0, "--llm", "m", "--vlm", "m")
    with FaultyEndpoint([slowly]) as endpoint:
        asking = with_words(line, endpoint)
        process = asking.start(*small)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None and len(endpoint.received) < 10:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, ""), said
        assert "The same command goes on where it was." in said
        done = asking.invoke(*small, "--json")
        assert done.code == 0, done.err
        assert done.json["annotated"] >= 60


def test_a_pool_that_is_too_small_for_clip_alone(command_line: CommandLine) -> None:
    pictures = command_line.folder / "pictures"
    pictures.mkdir()
    for number in range(6):
        Image.new("RGB", (40, 30), (40 * number, 10, 10)).save(pictures / f"{number}.png")
    new = ("concept", "new", "Reds", "--pool", "pictures", "--clip", "aviary", "--blind", 2, "--vlm", "none")
    assert command_line.invoke(*new).code == 0
    (command_line.folder / "answers.jsonl").write_text('{"image": "0.png", "label": "in"}\n')
    small = command_line.invoke("concept", "chat", "Reds", "--answers", "answers.jsonl")
    assert (small.code, "6 usable images" in small.err) == (2, True)
