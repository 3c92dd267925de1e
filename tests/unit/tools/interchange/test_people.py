"""What a person said in files of labels, and what a model guessed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark.app.inputs import find_given
from fieldmark.app.labels import read_labels
from fieldmark.app.several.labels import read_label_sets
from fieldmark.errors import InputError
from fieldmark.tools.datasets.labelled import read_rows
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.interchange.coco import write_coco
from fieldmark.tools.interchange.cvat import write_cvat
from fieldmark.tools.interchange.fiftyone import write_fiftyone
from fieldmark.tools.interchange.files import read_tagged
from fieldmark.tools.interchange.label_studio import LOCAL_FILES, write_tasks
from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.people import NONE_OF_THESE, by_person

CLASSES = ("wren", "robin")
HEAD = "image,label,confidence,status,by,image_hash\n"


@pytest.fixture
def pool(tmp_path: Path) -> tuple[ImageFile, ...]:
    for at, name in enumerate("abcd"):
        Image.new("RGB", (4, 4), (at * 50, 9, 9)).save(tmp_path / f"{name}.png")
    return find_given([tmp_path / f"{name}.png" for name in "abcd"]).images


def test_only_the_word_person_is_a_person() -> None:
    assert all(map(by_person, ["person", " Person ", "", None]))
    assert not any(map(by_person, ["run", "Run", " run", "model", "auto", "vlm"]))
    assert not by_person("", 0.5)


@pytest.mark.parametrize("column", ["by", "By", "given_by"])
def test_guesses_are_no_truth_to_measure_with(column: str, pool: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    rows = [
        "a.png,wren,0.9,,Run,",
        "b.png,robin,,, Person,",
        "c.png,none of these,,,person,",
        "d.png,,,,person,",
    ]
    path.write_text(HEAD.replace("by", column) + "\n".join(rows))
    found, notes = read_rows(path)
    assert found == {"train": [(tmp_path / "b.png", "robin")]}
    assert "1 label(s)" in notes[0] and "1 image(s) show none of these" in notes[1]
    told: list[str] = []
    assert [each.answer for each in read_labels(path, pool, CLASSES, notes=told)] == [
        "class",
        "none of these",
    ]
    assert "1 label(s)" in told[0]
    several = read_label_sets(path, pool, CLASSES, notes=told)
    assert several.truth.tolist() == [[False, True], [False, False]] and len(told) == 2
    path.write_text(HEAD + rows[0])
    for read in (
        read_rows,
        lambda p: read_labels(p, pool, CLASSES),
        lambda p: read_label_sets(p, pool, CLASSES),
    ):
        with pytest.raises(InputError, match="Nobody labelled anything"):
            read(path)


def test_paths_of_a_run_s_table_lead_from_here_too(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "labels.csv"
    path.write_text(HEAD + "a.png,wren,,,person,")
    assert read_rows(path)[0] == {"train": [(Path("a.png"), "wren")]}
    path.write_text(HEAD + "gone.png,wren,,,person,")
    with pytest.raises(InputError, match="give that folder"):
        read_rows(path)


def test_predictions_of_a_run_are_no_labels(pool: Any, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("image,label,candidates,runner_up\na.png,wren,1,robin\n")
    for read in (
        read_rows,
        lambda p: read_labels(p, pool, CLASSES),
        lambda p: read_label_sets(p, pool, CLASSES),
    ):
        with pytest.raises(InputError, match="a run's own predictions"):
            read(path)
    path.write_text("image,labels,thresholds,said\na.png,wren,0.5,False\nb.png,robin,0.5,True\n")
    assert read_label_sets(path, pool, CLASSES).truth.tolist() == [[False, True]]


def test_an_image_without_a_label_is_unlabelled(pool: Any, tmp_path: Path) -> None:
    images = [
        TaggedImage("a.png", "wren", by="person"),
        TaggedImage("b.png", "", by="person"),  # cannot tell
        TaggedImage("c.png", NONE_OF_THESE, by="person", status="open"),
        TaggedImage("d.png", NONE_OF_THESE, by="run", confidence=0.5),
    ]
    places = [str(tmp_path / each.path) for each in images]
    texts = {
        "coco.json": write_coco(images, classes=CLASSES, made_by="x"),
        "cvat.xml": write_cvat(images, classes=CLASSES, made_by="x"),
        "fiftyone.json": write_fiftyone(images, places, classes=CLASSES),
        "tasks.json": write_tasks(images, made_by="x"),
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        found = read_tagged(path)
        assert [each.by for each in found] == ["person", "", "person", "run"], name
        assert [each.confidence for each in found] == [None, None, None, 0.5]
        several = read_label_sets(path, pool, CLASSES)
        assert several.truth.tolist() == [[True, False], [False, False]]
        assert [each.path.name for each in several.images] == ["a.png", "c.png"]
        answers = [each.answer for each in read_labels(path, pool, CLASSES)]
        assert answers == ["class", "none of these"]


def test_what_a_model_said_beside_a_person_does_not_count(tmp_path: Path) -> None:
    tags = '<tag label="wren" source="manual"/><tag label="robin" source="auto"/>'
    (tmp_path / "a.xml").write_text(f'<annotations><image name="a">{tags}</image></annotations>')
    kinds = [{"id": at, "name": name} for at, name in enumerate(CLASSES)]
    said = [{"image_id": 1, "category_id": 0}, {"image_id": 1, "category_id": 1, "score": 0.5}]
    coco = {"images": [{"id": 1, "file_name": "a"}], "categories": kinds, "annotations": said}
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    labels = {"a": [{"label": "robin", "confidence": 0.5}, "wren", {"label": None}]}
    (tmp_path / "fiftyone.json").write_text(json.dumps({"labels": labels}))
    for name in ("a.xml", "coco.json", "fiftyone.json"):
        (found,) = read_tagged(tmp_path / name)
        assert (found.labels, found.by) == (("wren",), "person"), name
    (tmp_path / "coco.json").write_text(json.dumps({**coco, "annotations": said[1:]}))
    assert [(i.label, i.by) for i in read_tagged(tmp_path / "coco.json")] == [("robin", "run")]
    (tmp_path / "fiftyone.json").write_text(json.dumps({"labels": {"a": {"label": None}}}))
    assert [(i.label, i.by) for i in read_tagged(tmp_path / "fiftyone.json")] == [("", "")]


@pytest.mark.parametrize("prefix", ["", LOCAL_FILES, "https://there/?d="])
def test_an_address_of_label_studio_keeps_any_name(prefix: str, tmp_path: Path) -> None:
    image = TaggedImage("x/a #1&2+3%41 ü.png", "wren", by="person")
    (task,) = json.loads(write_tasks([image], made_by="x", prefix=prefix))
    assert not prefix or not set("#&+ ") & set(task["data"]["image"].removeprefix(prefix))
    del task["data"]["path"]
    (tmp_path / "t.json").write_text(json.dumps([task]))
    assert read_tagged(tmp_path / "t.json") == [replace(image, labels=("wren",))]
