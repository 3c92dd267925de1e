"""Published DTD files as a starting book and as a whole folder, with image folders made up for the test."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.app.optimizer import Optimizer
from fieldmark.errors import RunError
from fieldmark.records import Origin, Prompt, PromptBook
from tests.command_line import CommandLine, Outcome

INTEROP = os.environ.get("FIELDMARK_INTEROP_DIR")


@pytest.mark.skipif(not INTEROP, reason="FIELDMARK_INTEROP_DIR names no folder")
def test_published_descriptions_run_end_to_end(tmp_path: Path) -> None:
    source = Path(str(INTEROP)) / "proapo/dtd/category_description/CuPL_base.json"
    described = json.loads(source.read_text())
    names = tuple(described)[:25]
    for c, name in enumerate(names):
        for n in range(2):
            file = tmp_path / "dtd" / name / f"{n}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((32, 32), 10 + 4 * c + n).convert("RGB").save(file)
    book = PromptBook(
        classes=names,
        noun="texture",
        prompts=tuple(
            Prompt(class_name=name, text=text, origin=Origin(kind="book"))
            for name in names
            for text in described[name][:5]
        ),
    )
    result = Optimizer(
        data=str(tmp_path / "dtd"),
        book=book,
        clip="aviary",
        options=OptimizeOptions(template_generations=0, passes=1, generations=1),
        out=tmp_path / "runs",
    ).run()
    assert result.classes == 25
    assert result.best.fitness >= result.start.fitness
    assert result.start.prompts == len({(p.class_name, p.text) for p in book.prompts})


def noise(file: Path, level: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((32, 32), level).convert("RGB").save(file)


@pytest.fixture(scope="module")
def dtd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DTD's published folder with the first three texts of each class of each file, and made-up pictures."""
    if not INTEROP:
        pytest.skip("FIELDMARK_INTEROP_DIR names no folder")
    source = Path(INTEROP) / "proapo/dtd"
    place = tmp_path_factory.mktemp("published")
    for file in sorted(source.rglob("*.json")):
        value = json.loads(file.read_text())
        if file.parent.name == "category_description":
            value = {name: texts[:3] for name, texts in value.items()}
        copy = place / "dtd" / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(json.dumps(value))
    few = json.loads((source / "fewshot_dataset/seed_1_num_shots_1.json").read_text())
    for number, name in enumerate({**few["train"], **few["val"]}):
        noise(place / "images" / name, 10 + number)
    for number, name in enumerate(dict.fromkeys(few["train"].values())):
        noise(place / "images" / name / "another.png", 150 + number)
    return place


def optimize(place: Path, *given: str, code: int = 0) -> Outcome:
    done = CommandLine(place, place / "home", {}).run(
        *("optimize", "--data", place / "dtd", "--clip", "aviary", "--noun", "texture"),
        *("--passes", 1, "--generations", 1, "--out", place / "runs", *given),
    )
    assert done.code == code, done.err
    return done


def test_a_published_folder_runs_in_one_go(dtd: Path) -> None:
    given = ("--images", str(dtd / "images"), "--seed", "1", "--synonyms", "1")
    done = optimize(dtd, *given, "--templates", "1", "--domain-words", "fabric", "--json")
    said = json.loads(done.out)
    assert said["classes"] == 47
    assert said["best"]["fitness"] >= said["start"]["fitness"]
    assert said["best"]["test_top1"] is not None
    notes = " ".join(said["notes"])
    assert "not the published test split" in notes
    assert "No language model" not in notes
    run = Path(said["run"])
    pool = max((run / "arrays").rglob("*.json"), key=lambda file: file.stat().st_size).read_text()
    for file in sorted((dtd / "dtd/category_description").iterdir()):
        assert file.name in pool
    assert "gpt-4-turbo-2024-04-09.json" in pool
    book = PromptBook.model_validate_json((run / "book.json").read_bytes())
    labels = json.loads((dtd / "dtd/label_to_category_name.json").read_text())
    assert book.classes == tuple(labels[str(number)] for number in range(47))
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["counts"]["train"] == 47
    assert manifest["counts"]["test"] == 47


def test_what_a_published_folder_lacks_is_said(dtd: Path) -> None:
    assert "Say in which folder the images are" in optimize(dtd, code=2).err
    images = ("--images", str(dtd / "images"))
    missing = " ".join(optimize(dtd, *images, "--seed", "3", code=2).err.split())
    assert "no few-shot file for seed 3 and 1 shot. It has seed 1 with shots 1, 16." in missing
    assert "Leave the classes out (--classes)." in optimize(dtd, *images, "--classes", "a,b", code=2).err


def test_descriptions_join_the_pool_of_any_data_and_may_not_change(tmp_path: Path) -> None:
    texts = tmp_path / "texts.json"
    classes = [f"kind {c}" for c in range(3)]
    texts.write_text(json.dumps({name: [f"A {name} is grey all over."] for name in [*classes[:2], "other"]}))
    for c, name in enumerate(classes):
        for n in range(2):
            noise(tmp_path / "data" / name / f"{n}.png", 10 + 10 * c + n)
    optimizer = Optimizer(
        data=str(tmp_path / "data"),
        descriptions=(texts,),
        clip="aviary",
        options=OptimizeOptions(template_generations=0, passes=1, generations=1),
        out=tmp_path / "runs",
    )
    result = optimizer.run()
    notes = " ".join(result.notes)
    assert "texts.json describes 2 of 3 classes; not kind 2." in notes
    assert "texts.json has 1 other class(es), which were left out: other." in notes
    run_id = Path(result.run).name
    assert Optimizer.from_run(run_id, out=tmp_path / "runs").run().resumed
    texts.write_text(json.dumps({name: [f"A {name} is brown all over."] for name in classes}))
    with pytest.raises(RunError, match="descriptions are not those"):
        Optimizer.from_run(run_id, out=tmp_path / "runs").run()
