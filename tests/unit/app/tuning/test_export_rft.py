"""Labels and rationales as data to tune a model on: what is written, what never is, and that it loads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark import classification_reward, export_rft
from fieldmark.app.inputs import find_given
from fieldmark.errors import InputError
from fieldmark.records import (
    CandidateClass,
    Clause,
    Concept,
    Definition,
    GivenLabel,
    Label,
    Prediction,
    Verdict,
    Version,
)
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import append_labels
from fieldmark.tools.tuning.layouts import Layout

CLASSES = ("wren", "Zaunkönig")
LAYOUTS: tuple[Layout, ...] = ("visual-rft", "trl-grpo", "trl-sft")


def pictures(folder: Path, count: int) -> list[ImageFile]:
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        Image.new("RGB", (60 + at, 40), (at, 9, 9)).save(folder / f"{at} ü.png")
    return [find_given(folder / f"{at} ü.png").images[0] for at in range(count)]


def predicted(image: ImageFile, label: str, **more: Any) -> Prediction:
    fields: dict[str, Any] = {
        "image": image.path.name,
        "image_hash": image.content_hash,
        "label": label,
        "confidence": 0.75,
        "status": "resolved",
        "candidates": (CandidateClass(class_name=label, probability=0.75),),
        "candidates_left": 1,
        "rounds": 1,
        **more,
    }
    return Prediction(**fields)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Twelve images: ten that people labelled, one of them by "cannot tell", and two of the run's own."""
    images = pictures(tmp_path / "birds", 12)
    folder = RunFolder.create(
        tmp_path / "runs",
        kind="classify",
        options={"classes": list(CLASSES), "folder": str(tmp_path / "birds"), "options": {"noun": "bird"}},
    )
    reasons = {"vlm_label": CLASSES[0], "vlm_rationale": "A short tail."}
    folder.write_predictions(
        [predicted(image, CLASSES[0], **(reasons if at < 8 else {})) for at, image in enumerate(images[:11])]
        + [predicted(images[11], CLASSES[0], status="open", candidates_left=2)]
    )
    append_labels(
        folder,
        [
            GivenLabel(
                image=each.path.name, image_hash=each.content_hash, answer="class", label=CLASSES[at % 2]
            )
            for at, each in enumerate(images[:8])
        ]
        + [
            GivenLabel(image="8 ü.png", image_hash=images[8].content_hash, answer="none of these"),
            GivenLabel(image="9 ü.png", image_hash=images[9].content_hash, answer="cannot tell"),
        ],
    )
    return folder


def rows(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(out.glob("*/metadata.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            assert (path.parent / row["file_name"]).is_file()
            yield {"split": path.parent.name, **row}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_people_said_of_a_run(layout: Layout, run: RunFolder, tmp_path: Path) -> None:
    done = export_rft(run.path, tmp_path / "out", layout=layout, held_out_share=0.25)
    assert done.splits == {
        "train": {"Zaunkönig": 3, "none of these": 1, "wren": 3},
        "test": {"Zaunkönig": 1, "wren": 1},
    }
    assert (done.held_out, done.by_people, done.by_run, done.with_rationale) == ("test", 9, 0, 4)
    assert done.left_out == {"nobody can tell what they show": 1}
    kept = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert kept["format"] == "fieldmark.export-rft/1"
    assert kept["answers"] == [*CLASSES, "none of these"]
    found = list(rows(tmp_path / "out"))
    assert len({row["image_hash"] for row in found}) == 9
    for row in found:
        assert row["rationale"] == ("A short tail." if row["answer"] == "wren" else "")
        if layout == "trl-sft":
            asked, answer = row["messages"]
            text = answer["content"][0]["text"]
            assert ("<think>" in text) == ("<think>" in asked["content"][1]["text"]) == bool(row["rationale"])
            assert text.endswith(f"<answer>{row['answer']}</answer>")
            continue
        text = row["problem"] if layout == "visual-rft" else row["prompt"][0]["content"][1]["text"]
        assert "Which bird does this image show? It is one of: wren; Zaunkönig; none of these." in text
        right = f"<think>so</think>{row['solution']}"
        assert classification_reward([right], [row["solution"]]) == [2.0]


def test_what_the_run_resolved_is_taken_where_asked_and_never_held_out(
    run: RunFolder, tmp_path: Path
) -> None:
    done = export_rft(run.path, tmp_path / "out", resolved=True, held_out_share=0.5)
    own = [row for row in rows(tmp_path / "out") if row["by"] == "run"]
    assert [(row["split"], row["answer"], row["confidence"]) for row in own] == [("train", "wren", 0.75)]
    assert done.by_run == 1
    assert {row["confidence"] for row in rows(tmp_path / "out") if row["by"] == "person"} == {1.0}


def test_what_is_gone_or_changed_is_named_and_large_images_are_made_smaller(
    run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "birds" / "0 ü.png").unlink()
    (tmp_path / "birds" / "1 ü.png").write_bytes(b"another")
    done = export_rft(run.path, tmp_path / "out", longest_side=64)
    assert {Path(each.path).name for each in done.skipped} == {"0 ü.png", "1 ü.png"}
    sizes = {
        row["file_name"]: Image.open(tmp_path / "out" / row["split"] / row["file_name"]).size
        for row in rows(tmp_path / "out")
    }
    assert max(max(size) for size in sizes.values()) == 64
    assert {Path(name).suffix for name in sizes} == {".png", ".jpg"}
    for image in (tmp_path / "birds").iterdir():
        image.unlink()
    with pytest.raises(InputError, match="None of the 9 labelled images"):
        export_rft(run.path, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"source": "nothing"}, "There is no run 'nothing' in .* There is no concept 'nothing'"),
        ({"held_out_share": 1.0}, "cannot be held out"),
        ({"longest_side": 3}, "show nothing"),
        ({"layout": "alpaca"}, "alpaca"),
        ({"out": "birds"}, "is not empty"),
    ],
)
def test_what_cannot_be_written(arguments: dict[str, Any], said: str, run: RunFolder, tmp_path: Path) -> None:
    given = {"source": run.run_id, "out": "out", "runs": tmp_path / "runs", "home": tmp_path, **arguments}
    given["out"] = tmp_path / given["out"]
    with pytest.raises(InputError, match=said):
        export_rft(**given)
    assert (
        sorted(path.name for path in tmp_path.iterdir()) == ["birds", "runs"]
        or (tmp_path / "concepts").is_dir()
    )


def test_nothing_labelled_and_a_name_that_holds_a_tag(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "labels.csv").unlink()
    with pytest.raises(InputError, match="no labelled image") as raised:
        export_rft(run.path, tmp_path / "out")
    assert "fieldmark label" in str(raised.value.hint)
    run.write("config.json", run.config.model_copy(update={"options": {"classes": ["a</answer>", "b"]}}))
    with pytest.raises(InputError, match="holds a tag"):
        export_rft(run.path, tmp_path / "out", resolved=True)


@pytest.fixture
def concept(tmp_path: Path) -> ConceptFolder:
    """Two labels in, two out, one unsure; two of the blind test, one of which has a dev label, too."""
    images = pictures(tmp_path / "birds", 7)
    hashes = [image.content_hash for image in images]
    folder = ConceptFolder(tmp_path / "home" / "concepts" / "red-belly")
    folder.save_pool(images)
    definition = Definition(clauses=(Clause(id="c1", role="necessary", text="It has a {red} belly."),))
    values = ["in", "in", "out", "out", "unsure", "in"]
    labels = [
        *(Label(image=i, value=v, split="dev", at="t") for i, v in zip(hashes, values, strict=False)),  # pyright: ignore[reportArgumentType]
        *(Label(image=i, value="in", split="blind", at="t") for i in hashes[5:]),
    ]
    folder.save(
        Concept(
            name="red belly",
            purpose="Birds for the poster.",
            versions=(Version(number=1, definition=definition, why="w", at="t"),),
            current=1,
            labels=tuple(labels),
            blind={hashes[5]: 1.0, hashes[6]: 1.0},
            blind_drawn=True,
        )
    )
    calls = ["in", "out", "out", "abstain", "in", "in"]
    verdicts = [
        Verdict(image=i, call=c, rationale=f"It is {c}.", annotator="a")  # pyright: ignore[reportArgumentType]
        for i, c in zip(hashes, calls, strict=False)
    ]
    (folder.path / "models" / "v1").mkdir(parents=True)
    written = json.dumps([verdict.model_dump(mode="json") for verdict in verdicts])
    (folder.path / "models" / "v1" / "judged.json").write_text(written)
    return folder


def test_a_concept_without_its_blind_test_and_with_reasons_where_both_agree(
    concept: ConceptFolder, tmp_path: Path
) -> None:
    done = export_rft("red belly", tmp_path / "out", held_out_share=0.5, home=tmp_path / "home")
    assert done.source == {"concept": "red belly", "version": "1"}
    assert done.splits == {"train": {"in": 1, "out": 1}, "test": {"in": 1, "out": 1}}
    assert done.left_out == {"you are unsure of them": 1, "they are in the blind test": 1}
    found = list(rows(tmp_path / "out"))
    assert {row["image_hash"] for row in found}.isdisjoint(concept.load().blind)
    assert sorted(row["rationale"] for row in found) == ["", "", "It is in.", "It is out."]
    assert all("- It has a {red} belly." in row["problem"] and "in or out" in row["problem"] for row in found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_library_loads_what_was_written(layout: Layout, run: RunFolder, tmp_path: Path) -> None:
    load: Any = pytest.importorskip("datasets.load").load_dataset
    out = tmp_path / "out"
    export_rft(run.path, out, layout=layout, resolved=True, held_out_share=0.25)
    by_folder = load("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "a"))
    by_name = load(str(out), cache_dir=str(tmp_path / "b"))
    own = {"visual-rft": "problem", "trl-grpo": "prompt", "trl-sft": "messages"}[layout]
    for loaded in (by_folder, by_name):
        assert {split: len(each) for split, each in loaded.items()} == {"train": 8, "test": 2}
        row = loaded["train"][0]
        assert row["image"].size[1] == 40
        assert {"image", own, "answer", "by", "confidence", "rationale", "image_hash"} <= set(row)
    if layout != "visual-rft":
        parts = by_folder["train"][0][own][0]["content"]
        assert [part["type"] for part in parts] == ["image", "text"]
    lines = load("json", data_files=str(out / "train" / "metadata.jsonl"), cache_dir=str(tmp_path / "c"))
    assert lines["train"].num_rows == 8
