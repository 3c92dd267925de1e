"""Any test set through one door: published ones by name, one's own, and what is not what it should be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_sets import Draw, Make, picture, sample, shown, write_tar

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.tools.datasets.domain import published_dataset
from fieldmark.tools.datasets.reading import read_test_set


def edit(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = root / "three_birds" / "split_zhou_Birds.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_published_set(coop_root: Path, made_up: Make) -> None:
    found = read_test_set("owls", root=coop_root, domain=made_up(), shots=1, seed=5)
    assert found.classes == ("Barn Owl", "eagle", "wren")
    assert [label for label, _ in shown(found.train)] == ["Barn Owl", "eagle", "wren"]
    assert shown(found.val) == [("Barn Owl", "val0"), ("eagle", "val0"), ("wren", "val0")]
    assert len(found.test) == 6
    assert found.counts == {"train": 6, "val": 3, "test": 6}
    assert found.split == "usual"
    assert found.domain == made_up()
    assert found.templates == ("a photo of a {}, a type of bird.",)
    assert found.notes == ()
    assert found.skipped == ()
    assert not {image.content_hash for image in found.train} & {image.content_hash for image in found.test}
    assert read_test_set("owls", root=coop_root, domain=made_up(), shots=1, seed=5) == found
    assert any(
        shown(read_test_set("owls", root=coop_root, domain=made_up(), shots=1, seed=seed).train)
        != shown(found.train)
        for seed in range(4)
    )


def test_a_set_that_a_file_of_ones_own_describes(coop_root: Path, made_up: Make, tmp_path: Path) -> None:
    described = tmp_path / "owls.json"
    described.write_text(made_up().model_dump_json())
    assert read_test_set("owls", root=coop_root, domain=str(described)) == read_test_set(
        "owls", root=coop_root, domain=made_up()
    )


def test_without_shots(coop_root: Path, made_up: Make) -> None:
    found = read_test_set("owls", root=coop_root, domain=made_up())
    assert (found.train, found.val, len(found.test)) == ((), (), 6)


def test_more_shots_than_images(coop_root: Path, made_up: Make) -> None:
    found = read_test_set("owls", root=coop_root, domain=made_up(), shots=3, seed=1)
    assert 3 <= len(found.train) <= 6
    assert len(set(found.train)) == len(found.train)
    assert "3 class(es) have fewer than 3 training images: Barn Owl (" in found.notes[0]


def swap(value: dict[str, Any]) -> None:
    for rows in value.values():
        for row in rows:
            row[1] = {0: 1, 1: 0}.get(row[1], row[1])


def rename(value: dict[str, Any]) -> None:
    for rows in value.values():
        for row in rows:
            row[2] = row[2].replace("eagle", "heron")


def drop_class(value: dict[str, Any]) -> None:
    for part in value:
        value[part] = [row for row in value[part] if row[2] != "wren"]


def another_class(value: dict[str, Any]) -> None:
    value["test"].append(["x/9.png", 3, "the Wren"])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (swap, ClassNamesError, "has 'eagle' as class 0 (from 0); Three Birds has 'barn owl' there"),
        (rename, ClassNamesError, "has the class 'heron', which Three Birds does not have"),
        (drop_class, ClassNamesError, "lacks 1 of the 3 classes of Three Birds: wren"),
        (another_class, ClassNamesError, "has 'wren' and 'the Wren', which are one class"),
        (lambda value: value["test"].pop(), InputError, "has 5 test images; Three Birds (usual) has 6"),
        (lambda value: value["train"].pop(), InputError, "has 5 train images; Three Birds (usual) has 6"),
        (lambda value: value.pop("val"), InputError, "has 0 val images; Three Birds (usual) has 3"),
        (lambda value: value["test"].clear(), InputError, "has 0 test images"),
    ],
)
def test_the_first_difference_is_named(
    coop_root: Path,
    made_up: Make,
    change: Callable[[dict[str, Any]], Any],
    error: type[InputError],
    says: str,
) -> None:
    edit(coop_root, change)
    with pytest.raises(error) as told:
        read_test_set("owls", root=coop_root, domain=made_up())
    assert says in told.value.message
    assert "split_zhou_Birds.json" in told.value.message


def test_a_part_may_be_meant(coop_root: Path, made_up: Make) -> None:
    edit(coop_root, lambda value: value["test"].pop())
    found = read_test_set("owls", root=coop_root, domain=made_up(), part=True)
    assert len(found.test) == 5
    assert "A part of Three Birds: " in found.notes[0]
    edit(coop_root, drop_class)
    found = read_test_set("owls", root=coop_root, domain=made_up(), part=True)
    assert found.classes == ("Barn Owl", "eagle", "wren")
    assert "Classes without images: wren." in found.notes
    edit(coop_root, rename)
    with pytest.raises(ClassNamesError, match="'heron'"):
        read_test_set("owls", root=coop_root, domain=made_up(), part=True)


def test_a_test_image_that_cannot_be_used(coop_root: Path, made_up: Make) -> None:
    images = coop_root / "three_birds" / "images"
    (images / "wren" / "test1.png").write_text("no picture")
    with pytest.raises(NoImagesError, match="1 of 6 test images of") as told:
        read_test_set("owls", root=coop_root, domain=made_up())
    assert str(images / "wren" / "test1.png") in told.value.message
    (images / "wren" / "test1.png").unlink()
    with pytest.raises(NoImagesError, match="1 of 6 test images of"):
        read_test_set("owls", root=coop_root, domain=made_up())
    found = read_test_set("owls", root=coop_root, domain=made_up(), part=True)
    assert len(found.test) == 5
    assert [Path(each.path).name for each in found.skipped] == ["test1.png"]
    assert any("1 image(s) were not used" in note for note in found.notes)


def test_links_are_followed_and_dead_ones_told(coop_root: Path, made_up: Make, tmp_path: Path) -> None:
    folder = coop_root / "three_birds"
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert len(read_test_set("owls", root=coop_root, domain=made_up()).test) == 6
    target = elsewhere / "images" / "wren" / "test0.png"
    target.unlink()
    target.symlink_to(target)
    with pytest.raises(NoImagesError, match=r"wren.test0\.png"):
        read_test_set("owls", root=coop_root, domain=made_up())


def test_a_published_split_keeps_its_repeats_and_says_so(coop_root: Path, made_up: Make) -> None:
    images = coop_root / "three_birds" / "images"
    for name in ("train0", "train1"):
        (images / "Barn_Owl" / f"{name}.png").write_bytes(picture(900))
    (images / "Barn_Owl" / "test0.png").write_bytes(picture(900))
    (images / "wren" / "test0.png").write_bytes(picture(901))
    (images / "eagle" / "test0.png").write_bytes(picture(901))
    found = read_test_set("owls", root=coop_root, domain=made_up(), shots=1)
    assert len(found.test) == 6
    assert found.notes == (
        "1 test image(s) have the content of a training image; the split has them.",
        "1 test image(s) have the content of another test image; the split has them.",
        "1 picture(s) stand in the test split under more than one class.",
    )


def test_another_split_is_said(made_up: Make, tmp_path: Path, draw: Draw) -> None:
    splits = [
        {"name": "usual", "test": 6, "source": "nobody"},
        {"name": "all", "test": 3, "source": "nobody"},
    ]
    layouts = [
        {"kind": "split file", "split": "usual", "folder": "birds", "file": "split.json"},
        {"kind": "class folders", "split": "all", "folder": "birds", "test": "jpg"},
    ]
    known = made_up(splits=splits, layouts=layouts)
    for number, name in enumerate(("Tyto", "Eagle", "wren")):
        draw(tmp_path / "birds" / "jpg" / name / "0.png", number)
    found = read_test_set("owls", root=tmp_path, domain=known)
    assert found.classes == ("barn owl", "eagle", "wren")
    assert shown(found.test) == [("eagle", "0"), ("barn owl", "0"), ("wren", "0")]
    assert found.notes == (
        "This is the split 'all' of Three Birds, with 3 test images; the usual one is 'usual', with 6.",
    )
    with pytest.raises(InputError, match="has no training images, and 2 a class are asked for"):
        read_test_set("owls", root=tmp_path, domain=known, shots=2)
    draw(tmp_path / "birds" / "jpg" / "wren" / "1.png", 9)
    with pytest.raises(InputError, match=r"has 4 test images; Three Birds \(all\) has 3"):
        read_test_set("owls", root=tmp_path, domain=known)


def test_train_and_test_folders_of_a_published_set(made_up: Make, tmp_path: Path, draw: Draw) -> None:
    layout = {
        "kind": "class folders",
        "split": "usual",
        "folder": "birds",
        "train": "train",
        "val": "valid",
        "test": "test",
    }
    number = 0
    for part, count in (("train", 2), ("valid", 1), ("test", 2)):
        for name in ("barn_owl", "eagle", "wren"):
            for each in range(count):
                number += 1
                draw(tmp_path / "birds" / part / name / f"{each}.png", number)
    found = read_test_set("owls", root=tmp_path, domain=made_up(layouts=[layout]), shots=1)
    assert [len(each) for each in (found.train, found.val, found.test)] == [3, 3, 6]
    (tmp_path / "birds" / "train" / "wren" / "0.png").unlink()
    assert len(read_test_set("owls", root=tmp_path, domain=made_up(layouts=[layout])).test) == 6
    with pytest.raises(InputError, match="has 5 train images"):
        read_test_set("owls", root=tmp_path, domain=made_up(layouts=[layout]), shots=1)


def test_groups_stay_beside_their_images(made_up: Make, tmp_path: Path, draw: Draw) -> None:
    layout = {
        "kind": "table",
        "split": "usual",
        "folder": "birds",
        "file": "m.csv",
        "path": "file",
        "label": "y",
        "labels": {"0": "barn owl", "1": "eagle", "2": "wren"},
        "part": "split",
        "parts": {"2": "test"},
        "group": "place",
        "groups": {"0": "land", "1": "water"},
    }
    lines = ["file,y,split,place"]
    for number in range(6):
        draw(tmp_path / "birds" / f"{number}.png", number)
        lines.append(f"{number}.png,{number % 3},2,{number % 2}")
    (tmp_path / "birds" / "m.csv").write_text("\n".join(lines))
    known = made_up(layouts=[layout], splits=[{"name": "usual", "test": 6, "source": "nobody"}])
    found = read_test_set("owls", root=tmp_path, domain=known)
    assert found.groups == (
        "barn owl, land",
        "eagle, water",
        "wren, land",
        "barn owl, water",
        "eagle, land",
        "wren, water",
    )
    (tmp_path / "birds" / "2.png").unlink()
    found = read_test_set("owls", root=tmp_path, domain=known, part=True)
    assert found.groups[2] == "barn owl, water"
    assert len(found.groups) == len(found.test) == 5


def test_shards_of_a_published_set(made_up: Make, shard_folder: Path, tmp_path: Path) -> None:
    known = made_up(layouts=[{"kind": "shards", "split": "usual", "folder": "wds_birds"}])
    with pytest.raises(InputError, match="lies in shards"):
        read_test_set("owls", root=tmp_path, domain=known)
    found = read_test_set("owls", root=tmp_path, domain=known, cache=tmp_path / "cache", shots=2)
    assert [len(each) for each in (found.train, found.test)] == [6, 6]
    (shard_folder / "classnames.txt").write_text("eagle\nbarn owl\nwren\n")
    with pytest.raises(ClassNamesError, match=r"has 'eagle' as class 0 \(from 0\)"):
        read_test_set("owls", root=tmp_path, domain=known, cache=tmp_path / "cache")
    (shard_folder / "classnames.txt").write_text("barn owl\neagle\nwren\n")
    write_tar(shard_folder / "test" / "1.tar", sample(3, 2))
    with pytest.raises(InputError, match="has 4 test images"):
        read_test_set(shard_folder, domain=known, cache=tmp_path / "cache")


def test_classes_that_only_the_data_have(made_up: Make, shard_folder: Path, tmp_path: Path) -> None:
    (shard_folder / "classnames.txt").write_text("a_b\nc\nd\n")
    known = made_up(classes="from data", spellings={})
    assert read_test_set(shard_folder, domain=known, cache=tmp_path / "c").classes == ("a b", "c", "d")
    (shard_folder / "classnames.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(ClassNamesError, match="has 4 classes, and Three Birds has 3"):
        read_test_set(shard_folder, domain=known, cache=tmp_path / "c")


def test_a_set_that_is_not_there(tmp_path: Path, coop_root: Path, made_up: Make) -> None:
    with pytest.raises(InputError, match="EuroSAT is not under") as told:
        read_test_set("eurosat", root=tmp_path)
    assert (
        "Put there eurosat/split_zhou_EuroSAT.json, with the images under eurosat/2750; or "
        in told.value.hint
    )
    with pytest.raises(InputError, match="There is no folder"):
        read_test_set("eurosat", root=tmp_path / "none")
    with pytest.raises(InputError, match="where it lies was not said") as told:
        read_test_set("oxford_pets")
    assert "oxford_pets/images" in told.value.hint
    with pytest.raises(InputError, match="There is no folder or file 'no such thing', and no data set"):
        read_test_set("no such thing")
    with pytest.raises(InputError, match="No published data set 'no such thing'"):
        read_test_set("no such thing", root=tmp_path)
    with pytest.raises(InputError, match="are two data sets"):
        read_test_set("eurosat", root=tmp_path, domain="dtd")
    with pytest.raises(InputError, match="not possible"):
        read_test_set("eurosat", root=tmp_path, shots=-1)
    (coop_root / "three_birds" / "images").rename(tmp_path / "away")
    with pytest.raises(NoImagesError, match="No usable image"):
        read_test_set("owls", root=coop_root, domain=made_up())


def test_every_layout_of_a_set_leads_to_its_reader(tmp_path: Path) -> None:
    """A root with nothing but the file that a layout is told by: it is found, and says what it lacks."""
    for known in (
        published_dataset(name)
        for name in ("aircraft", "cub200", "food101", "places365", "waterbirds", "imagenet")
    ):
        for number, layout in enumerate(known.layouts):
            root = tmp_path / known.id / str(number)
            marker = root / layout.folder / layout.marker
            if layout.kind == "class folders":
                marker.mkdir(parents=True)
            else:
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.write_text("{}")
            with pytest.raises(InputError) as told:
                read_test_set(known.id, root=root, cache=tmp_path / "cache")
            assert layout.folder.split("/")[0] in told.value.message
            assert "is not under" not in told.value.message
