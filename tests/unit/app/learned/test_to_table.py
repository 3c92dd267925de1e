"""Labels go into a table block by block, and are those of `predict`."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.app.learned.classifier import LearnedClassifier
from fieldmark.app.learned.to_table import label_to_table
from fieldmark.errors import InputError, NoImagesError
from tests.unit.tools.learned.test_contest import WIDTH, drawn
from tests.unit.tools.learned.test_stored import ENCODER, export

__all__ = ["export"]


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(folder / f"{number}.png")
    (folder / "2b.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("none")
    return folder


def test_images_get_the_labels_of_predict_whatever_the_block(export, photos, tmp_path):
    folder, _ = export
    with LearnedClassifier(folder, clip=ENCODER, home=tmp_path / "home") as classifier:
        wanted = classifier.predict(photos)
    for block in (1, 2, 100):
        made = label_to_table(
            folder, photos, tmp_path / "out.csv", clip=ENCODER, home=tmp_path / "home", block=block
        )
        rows = read(tmp_path / "out.csv")
        assert [(row["image"], row["label"], row["status"]) for row in rows] == [
            (each.image, each.label, each.status) for each in wanted.predictions
        ]
        confidence = [float(row["confidence"]) for row in rows]
        assert confidence == pytest.approx([each.confidence for each in wanted.predictions], abs=1e-6)
        assert made.rows == 5
        assert sum(made.counts.values()) == 5
        assert [each.path for each in made.skipped] == [str(photos / "2b.png")]
        assert made.passed_over == {".txt": 1}


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_vectors_get_the_labels_of_the_classifier(export, tmp_path, kind):
    folder, learned = export
    vectors, _ = drawn(3)
    np.save(tmp_path / "vectors.npy", (3 * vectors).numpy().astype(kind))
    made = label_to_table(folder, tmp_path / "vectors.npy", tmp_path / "out.csv", by="student", block=7)
    rows = read(tmp_path / "out.csv")
    assert [int(row["row"]) for row in rows] == list(range(len(vectors)))
    found = ["abcd".index(row["label"]) for row in rows]
    wanted = learned.student.scores(vectors).argmax(1)
    assert float((torch.tensor(found) == wanted).float().mean()) > (0.98 if kind is np.float16 else 0.999)
    assert made.rows == len(vectors)


def test_a_parquet_table_says_the_same_as_the_csv(export, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, _ = export
    np.save(tmp_path / "vectors.npy", drawn(3)[0].numpy())
    for name in ("out.csv", "out.parquet"):
        label_to_table(folder, tmp_path / "vectors.npy", tmp_path / name, block=50)
    table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    rows = read(tmp_path / "out.csv")
    assert list(table) == list(rows[0])
    assert table["label"] == [row["label"] for row in rows]
    assert table["confidence"] == pytest.approx([float(row["confidence"]) for row in rows], abs=1e-6)


def test_what_cannot_be_used_is_refused_and_leaves_no_table(export, photos, tmp_path):
    folder, _ = export
    out = tmp_path / "out.csv"
    bad = drawn(3)[0].numpy().copy()
    bad[11] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    np.save(tmp_path / "narrow.npy", np.ones((4, WIDTH - 1), np.float32))
    np.save(tmp_path / "whole.npy", np.ones((4, WIDTH), np.int64))
    (tmp_path / "torn.npy").write_bytes((tmp_path / "nan.npy").read_bytes()[:-4])
    (tmp_path / "text.npy").write_text("no vectors at all")
    with (tmp_path / "negative.npy").open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (-3, WIDTH)}
        np.lib.format.write_array_header_1_0(file, head)
    for name, said in {
        "nan": "Row 11 of .* is no vector",
        "narrow": "vectors of .* numbers; those of",
        "whole": "is no file of vectors: an array",
        "torn": "cut short",
        "negative": "is no file of vectors: an array",
        "text": "is no file of vectors",
        "missing": "cannot be read",
    }.items():
        with pytest.raises(InputError, match=said):
            label_to_table(folder, tmp_path / f"{name}.npy", out, block=4)
    with pytest.raises(InputError, match="something beside it"):
        label_to_table(folder, [tmp_path / "nan.npy", photos], out)
    with pytest.raises(NoImagesError):
        label_to_table(folder, photos / "2b.png", out, clip=ENCODER, home=tmp_path / "home")
    assert not [each for each in tmp_path.iterdir() if "out" in each.name and each != folder]


def test_an_image_that_is_given_twice_has_one_row_whatever_the_block(export, photos, tmp_path):
    folder, _ = export
    given = [photos / "3.png", photos, photos / "3.png"]
    for block in (1, 100):
        made = label_to_table(
            folder, given, tmp_path / "out.csv", clip=ENCODER, home=tmp_path / "home", block=block
        )
        assert [row["image"][-5:] for row in read(tmp_path / "out.csv")] == [
            f"{at}.png" for at in (3, 0, 1, 2, 4)
        ]
        assert made.rows == 5


def test_a_table_never_takes_the_place_of_what_is_read(export, photos, tmp_path):
    folder, _ = export
    np.save(tmp_path / "vectors.npy", drawn(3)[0].numpy())
    (photos / "odd").write_bytes((photos / "0.png").read_bytes())
    (tmp_path / "same").symlink_to(photos / "odd")
    for given, table in (
        (tmp_path / "vectors.npy", tmp_path / "vectors.npy"),
        (tmp_path / "vectors.npy", tmp_path / "vectors.NPY"),
        (photos, photos / "0.png"),
        (photos / "odd", tmp_path / "same"),
        (photos, folder / "head.json"),
    ):
        before = {each: each.read_bytes() for each in (*photos.iterdir(), tmp_path / "vectors.npy")}
        with pytest.raises(InputError, match="no place for the table") as told:
            label_to_table(folder, given, table, clip=ENCODER, home=tmp_path / "home")
        assert told.value.field == "table"
        assert before == {each: each.read_bytes() for each in before}


def test_the_place_is_looked_at_before_the_export_is_opened(photos, tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        label_to_table(tmp_path / "no-export", photos, tmp_path / "none" / "out.csv")


@pytest.mark.parametrize(
    ("more", "field", "says"),
    [
        ({"by": "x"}, "by", "cannot be 'x'. It is one of 'student', 'guide'"),
        ({"given": Image.new("RGB", (2, 2))}, "given", "not a path but"),
        ({"table": None}, "table", "needs table"),
        ({"block": 0}, "block", "rows at a time are none"),
    ],
)
def test_arguments_are_checked_and_taken_by_name(export, photos, tmp_path, more, field, says):
    given = {"export": export[0], "given": photos, "table": tmp_path / "out.csv", **more}
    with pytest.raises(InputError, match=says) as told:
        label_to_table(**given)
    assert told.value.field == field
