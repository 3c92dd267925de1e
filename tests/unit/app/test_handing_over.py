"""Labels of a run in the files of other tools, and back."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark.app.inputs import find_given
from fieldmark.app.labels import read_labels
from fieldmark.app.review.handing_over import SUFFIX, Tool, hand_over
from fieldmark.app.several.labels import read_label_sets
from fieldmark.errors import InputError
from fieldmark.records import CandidateClass, GivenLabel, Prediction
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.datasets.huggingface import read_rowset
from fieldmark.tools.datasets.unpacked import open_picture_folder
from fieldmark.tools.interchange.cvat import read_cvat, write_cvat
from fieldmark.tools.interchange.files import read_tagged
from fieldmark.tools.interchange.label_studio import LOCAL_FILES
from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import append_labels

CLASSES = ("wren", 'house "sparrow" & co', "Zaunkönig")
TAGGED: tuple[Tool, ...] = ("label-studio", "coco", "cvat", "fiftyone")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Four images: resolved, open, rejected, and one that a person labelled since."""
    folder = RunFolder.create(
        tmp_path / "runs", kind="classify", options={"classes": list(CLASSES), "folder": str(tmp_path)}
    )
    found: list[Prediction] = []
    for at, (label, status) in enumerate(
        [(CLASSES[0], "resolved"), (CLASSES[1], "open"), (CLASSES[2], "rejected"), (CLASSES[0], "open")]
    ):
        path = tmp_path / "birds" / f"{at} ü.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (5 + at, 4), (at, 9, 9)).save(path)
        (image,) = find_given(path).images
        found.append(
            Prediction(
                image=f"birds/{at} ü.png",
                image_hash=image.content_hash,
                label=label,
                confidence=0.75,
                status=status,  # pyright: ignore[reportArgumentType]
                candidates=(CandidateClass(class_name=label, probability=0.75),),
                candidates_left=1,
                rounds=1,
            )
        )
    folder.write_predictions(found)
    last = found[-1]
    said = GivenLabel(image=last.image, image_hash=last.image_hash, answer="class", label=CLASSES[2])
    append_labels(folder, [said])
    return folder


@pytest.mark.parametrize("tool", TAGGED)
def test_what_was_written_is_read_back(tool: Tool, run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / f"labels{SUFFIX[tool]}"
    assert hand_over(run, path, tool=tool)[0] == path
    images = read_tagged(path)
    where = tmp_path / "birds" if tool == "fiftyone" else Path("birds")
    assert [each.path for each in images] == [str(where / f"{at} ü.png") for at in range(4)]
    assert [each.label for each in images] == [CLASSES[0], CLASSES[1], "none of these", CLASSES[2]]
    assert [each.by for each in images][::3] == ["run", "person"]
    assert [each.confidence for each in images][::3] == [0.75, None]
    assert [each.status for each in images] == ["resolved", "open", "rejected", "open"]
    assert [each.content_hash for each in images] == [p.image_hash for p in run.read_predictions()]
    if tool in ("coco", "cvat"):
        assert [(each.width, each.height) for each in images] == [(5, 4), (6, 4), (7, 4), (8, 4)]
    with pytest.raises(InputError, match="cannot be written"):
        hand_over(run, path, tool=tool)
    with pytest.raises(InputError, match=f"does not end with {SUFFIX[tool]}"):
        hand_over(run, tmp_path / "labels", tool=tool)


@pytest.mark.parametrize("tool", ["csv", "parquet", "huggingface"])
def test_a_table_says_how_sure_it_is_and_who_said_so(tool: Tool, run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"labels{SUFFIX[tool]}"
    hand_over(run, path, tool=tool)
    rows = read_csv(path)
    assert [row["image"] for row in rows] == [each.image for each in run.read_predictions()]
    assert [row["label"] for row in rows] == [CLASSES[0], CLASSES[1], "none of these", CLASSES[2]]
    assert [row["confidence"] for row in rows] == ["0.75", "0.75", "0.75", ""]
    assert [row["status"] for row in rows] == ["resolved", "open", "rejected", "open"]
    assert [row["by"] for row in rows] == ["run", "run", "run", "person"]


@pytest.mark.parametrize("tool", SUFFIX)
def test_only_what_people_said_is_a_label(tool: Tool, run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / f"labels{SUFFIX[tool]}"
    hand_over(run, path, tool=tool)
    pool = find_given(tmp_path / "birds").images
    said = {each.image_hash: (each.answer, each.label) for each in read_labels(path, pool, CLASSES)}
    assert said == {list(run.read_predictions())[-1].image_hash: ("class", CLASSES[2])}
    several = read_label_sets(path, pool, CLASSES)
    assert [several.truth[0].tolist(), len(several.images)] == [[False, False, True], 1]
    with pytest.raises(InputError, match="is none of the classes"):
        read_labels(path, pool, CLASSES[:2])
    (run.path / "labels.csv").unlink()
    nobody = tmp_path / f"nobody{SUFFIX[tool]}"
    hand_over(run, nobody, tool=tool)
    with pytest.raises(InputError, match="Nobody labelled anything"):
        read_labels(nobody, pool, CLASSES)


def test_a_name_that_xml_cannot_hold_is_spelled_out(tmp_path: Path) -> None:
    text = write_cvat([TaggedImage("a\x01\ud800.png", "wren\x07")], classes=["wren\x07"], made_by="x")
    (found,) = read_cvat(text)
    assert (found.path, found.label) == (r"a\x01\ud800.png", r"wren\x07")


def test_nothing_is_written_where_one_of_two_files_is_there(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "t.json.config.xml").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        hand_over(run, tmp_path / "t.json", tool="label-studio")
    assert not (tmp_path / "t.json").exists()


def test_label_studio_gets_a_configuration_and_gives_annotations(run: RunFolder, tmp_path: Path) -> None:
    tasks, config = hand_over(run, tmp_path / "t.json", tool="label-studio", prefix=LOCAL_FILES)
    choices = [each.get("value") for each in ET.parse(config).iter("Choice")]
    assert choices == [*CLASSES, "none of these"]
    found = json.loads(tasks.read_text(encoding="utf-8"))
    assert found[0]["data"]["image"] == "/data/local-files/?d=birds/0%20%C3%BC.png"
    del found[0]["data"]["path"]  # as in a project that was not made from our tasks
    right = {"type": "choices", "value": {"choices": [CLASSES[2]]}}
    found[0]["annotations"] = [
        {"result": [right]},
        {"was_cancelled": True, "result": [{"type": "choices", "value": {"choices": [CLASSES[1]]}}]},
    ]
    found[1]["annotations"] = [{"result": []}]  # submitted without a choice
    found[2]["annotations"], found[2]["predictions"] = None, [5]
    found[3]["annotations"][0]["result"][0]["value"]["choices"] = list(CLASSES[:2])
    tasks.write_text(json.dumps(found), encoding="utf-8")
    images = read_tagged(tasks)
    assert [(each.path, each.label, each.by) for each in images] == [
        ("birds/0 ü.png", CLASSES[2], "person"),
        ("birds/1 ü.png", "", ""),
        ("birds/2 ü.png", "", ""),
        ("birds/3 ü.png", "", "person"),
    ]


def test_label_studio_s_own_package_takes_tasks_and_configuration(run: RunFolder, tmp_path: Path) -> None:
    package: Any = pytest.importorskip("label_studio_sdk.label_interface", exc_type=ImportError)
    tasks, config = hand_over(run, tmp_path / "t.json", tool="label-studio")
    project = package.LabelInterface(config.read_text(encoding="utf-8"))
    project.validate()
    found = json.loads(tasks.read_text(encoding="utf-8"))
    assert all(project.validate_task({"data": each["data"]}) for each in found)
    guesses = [guess for each in found for guess in each.get("predictions", ())]
    assert len(guesses) == 3
    assert [project.validate_prediction(each, return_errors=True) for each in guesses] == [[], [], []]
    assert project.validate_annotation(found[3]["annotations"][0])
    guesses[0]["result"][0]["value"]["choices"] = ["a class that the project has not"]
    assert project.validate_prediction(guesses[0], return_errors=True)


def test_coco_s_own_package_reads_the_same_labels(run: RunFolder, tmp_path: Path) -> None:
    package: Any = pytest.importorskip("pycocotools.coco")
    (path,) = hand_over(run, tmp_path / "t.json", tool="coco")
    found = package.COCO(path)
    label = {each["id"]: each["name"] for each in found.loadCats(found.getCatIds())}
    assert [label.get(at) for at in sorted(label)] == list(CLASSES)
    said = {each["image_id"]: label[each["category_id"]] for each in found.loadAnns(found.getAnnIds())}
    images = found.loadImgs(sorted(found.getImgIds()))
    assert [each["file_name"] for each in images] == [each.image for each in run.read_predictions()]
    assert [said.get(each["id"]) for each in images] == [CLASSES[0], CLASSES[1], None, CLASSES[2]]


def test_fiftyone_s_own_package_reads_labels_and_its_exports_are_read(run: RunFolder, tmp_path: Path) -> None:
    importers: Any = pytest.importorskip("fiftyone.utils.data.importers")
    exporters: Any = pytest.importorskip("fiftyone.utils.data.exporters")
    (path,) = hand_over(run, tmp_path / "labels.json", tool="fiftyone")
    with importers.FiftyOneImageClassificationDatasetImporter(labels_path=str(path)) as importer:
        found = {Path(file).name: label for file, _, label in importer}
    assert [found[f"{at} ü.png"].label for at in range(4)] == [
        CLASSES[0], CLASSES[1], "none of these", CLASSES[2]
    ]  # fmt: skip
    assert [found[f"{at} ü.png"].confidence for at in range(4)] == [0.75, 0.75, 0.75, None]
    assert [found[f"{at} ü.png"].status for at in range(4)] == ["resolved", "open", "rejected", "open"]
    exporter = exporters.FiftyOneImageClassificationDatasetExporter(
        export_dir=str(tmp_path / "export"), export_media=True, include_confidence=None
    )
    with exporter:
        for name, label in found.items():
            exporter.export_sample(str(tmp_path / "birds" / name), label)
    back = read_tagged(tmp_path / "export" / "labels.json")
    assert [(each.path, each.label, each.by) for each in back] == [
        ("data/0 ü.png", CLASSES[0], "run"),
        ("data/1 ü.png", CLASSES[1], "run"),
        ("data/2 ü.png", "none of these", "run"),
        ("data/3 ü.png", CLASSES[2], "person"),
    ]


def test_exports_of_fiftyone_are_read(tmp_path: Path) -> None:
    labels = {"a": 1, "b.c": ["x", "y"], "d": None, "/far/e.png": {"label": "x", "confidence": 0.5}}
    (tmp_path / "labels.json").write_text(json.dumps({"classes": ["x", "y"], "labels": labels}))
    (tmp_path / "data.json").write_text(json.dumps({"a.png": "/there/a.png", "b.c.png": "b.c.png"}))
    assert [
        (each.path, each.labels, each.label, each.by) for each in read_tagged(tmp_path / "labels.json")
    ] == [
        ("/there/a.png", ("y",), "y", "person"),
        ("b.c.png", ("x", "y"), "", "person"),
        ("d", (), "", ""),
        ("/far/e.png", ("x",), "x", "run"),
    ]


def test_datasets_own_package_shows_pictures_labels_and_status(run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("datasets.load")  # a folder of that name can be imported, too
    package: Any = pytest.importorskip("datasets")
    folder = tmp_path / "hub"
    folder.mkdir()
    (path,) = hand_over(run, folder / "test.parquet", tool="huggingface")
    cache = str(tmp_path / "cache")
    found = package.load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
    assert found.features["label"].names == [*CLASSES, "none of these"]
    assert [each["image"].size for each in found] == [(5, 4), (6, 4), (7, 4), (8, 4)]
    assert [found.features["label"].int2str(each) for each in found["label"]] == [
        CLASSES[0], CLASSES[1], "none of these", CLASSES[2]
    ]  # fmt: skip
    assert found["confidence"][:4] == [0.75, 0.75, 0.75, None]
    assert found["status"][:2] == ["resolved", "open"]
    saved = tmp_path / "saved"
    package.DatasetDict({"test": found}).save_to_disk(str(saved))
    for source in (f"hf:{folder}:test", f"hf:{saved}:test"):
        listing = read_rowset(source, open_picture_folder(tmp_path / "pictures"), train=False)
        assert [label for _, label in listing.rows["test"]] == [CLASSES[2]]
        assert listing.classes == CLASSES


def test_a_picture_that_is_gone_or_changed_is_not_handed_over(run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    first = tmp_path / "birds" / "0 ü.png"
    for change, why in ((lambda: first.write_bytes(b"x"), "changed"), (first.unlink, "No such file")):
        change()
        with pytest.raises(InputError, match=why):
            hand_over(run, tmp_path / "t.parquet", tool="huggingface")
        assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("way", ["text", "class", "huge", "list", "features"])
def test_a_hostile_parquet_table_gets_a_sentence(way: str, tmp_path: Path) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "labels.parquet"
    features: Any = {"info": {"features": {"label": {"names": ["a"], "_type": "ClassLabel"}}}}
    features = {"list": [1], "features": {"info": {"features": []}}}.get(way, features)
    table = pa.table({"image": ["a.png"], "label": [7]}).replace_schema_metadata(
        {"huggingface": json.dumps(features)}
    )
    if way == "text":
        path.write_text("image,label")
    elif way != "huge":
        parquet.write_table(table, path)
    else:
        parquet.write_table(pa.table({"label": pa.nulls(60_000_000, pa.bool_())}), path)
    with pytest.raises(InputError, match="cannot be read as a Parquet table"):
        read_labels(path, (), CLASSES)


def test_datumaro_takes_cvat_s_tags_and_its_file_is_read(run: RunFolder, tmp_path: Path) -> None:
    package: Any = pytest.importorskip("datumaro")
    (path,) = hand_over(run, tmp_path / "annotations.xml", tool="cvat")
    (tmp_path / "images").mkdir()
    (tmp_path / "birds").rename(tmp_path / "images" / "birds")
    found = package.Dataset.import_from(str(path), "cvat")
    names = [each.name for each in found.categories()[package.AnnotationType.label]]
    assert names == [*CLASSES, "none of these"]
    assert [names[each.annotations[0].label] for each in found] == [
        CLASSES[0], CLASSES[1], "none of these", CLASSES[2]
    ]  # fmt: skip
    assert found.get("birds/0 ü", "annotations").annotations[0].attributes["confidence"] == "0.75"
    found.export(str(tmp_path / "back"), "cvat")
    back = read_tagged(next((tmp_path / "back").glob("*.xml")))
    assert [(each.label, each.by, each.status) for each in back] == [
        (CLASSES[0], "run", "resolved"),
        (CLASSES[1], "run", "open"),
        ("none of these", "run", "rejected"),
        (CLASSES[2], "person", "open"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", '{"images": []}'),
        ("a.json", '[{"no": "data"}]'),
        ("a.json", "3"),
        ("a.json", '{"images": [{"id": 1, "file_name": "a", "width": 1e999}], "categories": []}'),
        ("a.json", '{"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}'),
        ("a.json", '{"labels": {"a": {"confidence": 1}}}'),
        ("a.json", '{"labels": {"a": 2}, "classes": ["x"]}'),
        ("a.json", '{"labels": {"a": {"label": "x", "confidence": "sure"}}}'),
        ("a.json", '{"labels": ["a"]}'),
        ("a.xml", "<a>"),
        ("a.xml", "<svg/>"),
    ],
)
def test_other_files_are_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="Labels cannot be read"):
        read_tagged(tmp_path / name)


def test_a_class_called_none_of_these_and_a_missing_folder_are_refused(
    run: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="Make the folder"):
        hand_over(run, tmp_path / "far" / "t.csv", tool="csv")
    named = RunFolder.create(
        tmp_path / "runs", kind="classify", options={"classes": ["wren", "None_of these"]}
    )
    named.write_predictions([])
    with pytest.raises(InputError, match="The class 'None_of these'"):
        hand_over(named, tmp_path / "t.csv", tool="csv")
