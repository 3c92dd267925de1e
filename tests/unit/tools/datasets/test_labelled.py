"""Labelled images out of folders, lists and split files; shots, repeats, strangers and missing images."""

import codecs
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.tools.datasets.labelled import LabelledImages, read_labelled
from fieldmark.tools.datasets.reading import read_test_set


def draw(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade % 256, shade // 256, 7)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for c, name in enumerate(("finch", "heron", "wren")):
        for n in range(5):
            draw(tmp_path / "birds" / name / f"{n}.png", 10 * c + n + 1)
    return tmp_path / "birds"


def names(found: LabelledImages, which: str) -> list[str]:
    return [f"{image.label}/{image.path.name}" for image in getattr(found, which)]


def test_a_folder_gives_shots_and_the_rest_is_for_testing(folder: Path) -> None:
    found = read_labelled(folder, shots=2, seed=1)
    assert found.classes == ("finch", "heron", "wren")
    assert [image.label for image in found.train] == ["finch"] * 2 + ["heron"] * 2 + ["wren"] * 2
    assert len(found.test) == 9
    assert not {i.content_hash for i in found.train} & {i.content_hash for i in found.test}
    assert names(read_labelled(folder, shots=2, seed=1), "train") == names(found, "train")
    assert any(
        names(read_labelled(folder, shots=2, seed=s), "train") != names(found, "train") for s in (2, 3)
    )


def test_train_and_test_folders_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    folder.rename(tmp_path / "set" / "train")
    draw(tmp_path / "set" / "test" / "wren" / "9.png", 500)
    found = read_labelled(tmp_path / "set", shots=1, seed=0)
    assert len(found.train) == 3
    assert names(found, "test") == ["wren/9.png"]


def test_the_same_picture_twice(folder: Path) -> None:
    draw(folder / "finch" / "again.png", 1)  # finch/0.png once more
    draw(folder / "heron" / "other.png", 2)  # finch/1.png under another class
    found = read_labelled(folder, shots=16, seed=0)
    reasons = sorted((Path(each.path).name, each.reason) for each in found.skipped)
    assert ("again.png", "the same picture is there already") in reasons
    assert [r for n, r in reasons if "two classes" in r] == ["the same picture stands under two classes"] * 2
    assert found.test == ()
    assert "no test images" in " ".join(found.notes)


def test_a_class_without_images_is_named(folder: Path) -> None:
    found = read_labelled(folder, shots=1, seed=0, classes=("finch", "heron", "owl", "wren"))
    assert found.classes == ("finch", "heron", "owl", "wren")
    assert "1 class(es) have no training image" in found.notes[0]
    assert "owl" in found.notes[0]
    with pytest.raises(ClassNamesError, match="not listed: wren"):
        read_labelled(folder, shots=1, seed=0, classes=("finch", "heron"))


def test_what_a_folder_lacks_is_said(folder: Path) -> None:
    (folder / "owl").mkdir()
    for file in (folder / "wren").iterdir():
        file.write_text("no picture")
    (folder / "heron" / "0.png").write_text("no picture either")
    found = read_labelled(folder, shots=5, seed=0)
    assert found.classes == ("finch", "heron", "wren")
    assert len(found.skipped) == 1 + sum(1 for _ in (folder / "wren").iterdir())
    said = " ".join(found.notes)
    assert f"{len(found.skipped)} image(s) were not used" in said
    assert (
        "1 class(es) have no training image and are searched only through the images of others: wren." in said
    )
    assert "1 class(es) have fewer than 5 training images: heron (4)." in said
    assert "Folders without images, which are no classes: owl." in said


def test_lists(folder: Path, tmp_path: Path) -> None:
    rows = [
        (f"birds/{n}/{k}.png", n, "test" if k == 4 else "train") for n in ("wren", "finch") for k in range(5)
    ]
    table = tmp_path / "list.csv"
    table.write_text("path,label,split\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    lines = tmp_path / "list.jsonl"
    lines.write_text("".join(json.dumps({"image": a, "class": b, "split": c}) + "\n" for a, b, c in rows))
    for path in (table, lines):
        found = read_labelled(path, shots=1, seed=0)
        assert found.classes == ("wren", "finch")
        assert names(found, "test") == ["wren/4.png", "finch/4.png"]


def test_a_class_may_be_the_number_0(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"path": f"birds/{n}/{k}.png", "label": c} for c, n in enumerate(("wren", "finch")) for k in (0, 1)
    ]
    lines = tmp_path / "list.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_labelled(lines, shots=1, seed=0).classes == ("0", "1")
    lines.write_text('{"path": "birds/wren/0.png", "label": ""}')
    with pytest.raises(InputError, match="no label"):
        read_labelled(lines, shots=1, seed=0)


def test_exotic_line_ends_end_no_row(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(
        "path,label\nbirds/wren/0.png,a\u2028b\r\nbirds/finch/0.png,c\u0085d\n", encoding="utf-8", newline=""
    )
    assert read_labelled(table, shots=1, seed=0).classes == ("a b", "c d")


def test_split_files_of_coop_and_proapo(folder: Path, tmp_path: Path) -> None:
    coop = tmp_path / "split_zhou_Birds.json"
    split = {
        "train": [[f"{n}/{k}.png", c, n] for c, n in enumerate(("finch", "heron")) for k in range(3)],
        "val": [],
        "test": [["finch/4.png", 0, "finch"]],
    }
    coop.write_text(json.dumps(split))
    found = read_labelled(coop, images=folder, shots=16, seed=0)
    assert (len(found.train), names(found, "test")) == (6, ["finch/4.png"])
    few = tmp_path / "seed_1_num_shots_1.json"
    few.write_text(
        json.dumps({"train": {"finch/0.png": "finch", "finch/0.png ***": "finch", "wren/1.png": "wren"}})
    )
    assert len(read_labelled(few, images=folder, shots=16, seed=0).train) == 2


@pytest.mark.parametrize("text", ["{", '{"valid": []}', "[1]", '{"train": [["a"]]}'])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read as a list"):
        read_labelled(tmp_path / "bad.json", shots=1, seed=0)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder or file"):
        read_labelled(tmp_path / "none", shots=1, seed=0)
    with pytest.raises(NoImagesError):
        read_labelled(tmp_path, shots=1, seed=0)
    draw(tmp_path / "finch" / "0.png", 1)
    with pytest.raises(ClassNamesError, match="at least two"):
        read_labelled(tmp_path, shots=1, seed=0)


def test_a_class_folder_whose_name_is_no_text_is_refused(folder: Path) -> None:
    other = folder / os.fsdecode(b"gr\xfcn")
    draw(other / "0.png", 99)
    with pytest.raises(InputError, match=r"gr.*udcfcn.*well-formed"):
        read_labelled(folder, shots=2, seed=0)


def test_a_cell_of_a_megabyte_is_no_traceback(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\n" + "a" * 200_000 + ",finch\n")
    with pytest.raises(InputError, match="no CSV file"):
        read_labelled(listed, shots=1, seed=0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le-mark"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "sep=;"])
def test_lists_as_spreadsheets_write_them(
    folder: Path, tmp_path: Path, encoding: str, separator: str
) -> None:
    given = separator[-1]
    rows = [
        ["Path", "Label", "Note"],
        ["birds/wren/0.png", "Zaunkönig", "a, b"],
        ["birds/finch/0.png", "Fink", ""],
    ]
    lines = [given.join(f'"{cell}"' if given in cell else cell for cell in row) for row in rows]
    text = "\r\n".join([*(["sep=;"] if separator == "sep=;" else []), *lines, given * 2, ""])
    data = codecs.BOM_UTF16_BE + text.encode("utf-16-be") if "mark" in encoding else text.encode(encoding)
    for name in ("list.csv", "list.CSV", "list.tsv"):
        (tmp_path / name).write_bytes(data)
        found = read_labelled(tmp_path / name, shots=1, seed=0)
        assert found.classes == ("Zaunkönig", "Fink")


def test_folders_that_programs_leave_behind_are_no_classes(folder: Path) -> None:
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (folder / name).mkdir()
    before = read_labelled(folder, shots=1, seed=0)
    assert set(before.classes) == {"finch", "heron", "wren"}
    assert not any("without images" in note for note in before.notes)


def test_folders_named_by_wordnet_say_how_to_get_names(tmp_path: Path, folder: Path) -> None:
    for number, name in enumerate(("n01440764", "n01443537")):
        shutil.copytree(folder / ("finch", "wren")[number], tmp_path / "numbers" / name)
    (tmp_path / "numbers" / "n01440764" / "photo.jxl").write_bytes(b"x")
    found = read_labelled(tmp_path / "numbers", shots=1, seed=0)
    assert any("n01440764, which no model knows" in note and "imagenet" in note for note in found.notes)
    assert any("1 .jxl" in note for note in found.notes)
    named = read_test_set(tmp_path / "numbers", domain="imagenet", part=True)
    assert {image.label for image in named.test} == {"tench", "goldfish"}
    assert not any("no model knows" in note for note in named.notes)
