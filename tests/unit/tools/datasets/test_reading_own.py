"""One's own images through the door of all test sets, and what is not what it should be."""

from pathlib import Path

import pytest
from tiny_sets import Draw, Make, shown

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.tools.datasets.data_set import DataSet
from fieldmark.tools.datasets.reading import read_test_set


@pytest.fixture
def own(tmp_path: Path, draw: Draw) -> Path:
    for c, name in enumerate(("barn owl", "eagle", "wren")):
        for n in range(3):
            draw(tmp_path / "own" / name / f"{n}.png", 10 * c + n)
    return tmp_path / "own"


def test_a_folder_of_ones_own(own: Path) -> None:
    found = read_test_set(own)
    assert (found.classes, len(found.test), found.train) == (("barn owl", "eagle", "wren"), 9, ())
    assert (found.domain, found.split, found.templates, found.notes) == (None, "", (), ())
    shot = read_test_set(str(own), shots=1, seed=3)
    assert (len(shot.train), len(shot.test)) == (3, 6)
    assert isinstance(shot, DataSet)


def test_a_picture_twice_in_ones_own_folder(own: Path, draw: Draw) -> None:
    draw(own / "eagle" / "again.png", 10)
    draw(own / "eagle" / "as_wren.png", 20)
    found = read_test_set(own)
    assert len(found.test) == 8
    assert len(found.skipped) == 3
    assert "3 image(s) were not used" in found.notes[0]


def test_the_same_picture_for_training_and_testing(own: Path, tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "both").mkdir()
    own.rename(tmp_path / "both" / "train")
    for n, name in enumerate(("barn owl", "eagle", "wren")):
        draw(tmp_path / "both" / "test" / name / "new.png", 100 + n)
    draw(tmp_path / "both" / "test" / "wren" / "known.png", 20)
    found = read_test_set(tmp_path / "both", shots=3)
    assert shown(found.test) == [("barn owl", "new"), ("eagle", "new"), ("wren", "new")]
    assert [Path(each.path).name for each in found.skipped] == ["known.png"]


def test_lists_of_ones_own(own: Path) -> None:
    (own / "list.csv").write_text("path,label\nwren/0.png,wren\neagle/0.png,eagle\n")
    assert shown(read_test_set(own / "list.csv").test) == [("wren", "0"), ("eagle", "0")]
    (own / "list.jsonl").write_text(
        '{"path": "wren/1.png", "label": "w"}\n{"path": "eagle/1.png", "label": "e"}\n'
    )
    assert shown(read_test_set(own / "list.jsonl", images=own).test) == [("w", "1"), ("e", "1")]


def test_a_split_file_of_ones_own(coop_root: Path) -> None:
    folder = coop_root / "three_birds"
    found = read_test_set(folder / "split_zhou_Birds.json", images=folder / "images", shots=1)
    assert found.classes == ("Barn_Owl", "eagle", "wren")
    assert (len(found.train), len(found.val), len(found.test)) == (3, 3, 6)


def test_a_folder_of_ones_own_that_is_to_be_a_published_set(own: Path, made_up: Make, draw: Draw) -> None:
    known = made_up(splits=[{"name": "usual", "test": 9, "source": "nobody"}])
    (own / "barn owl").rename(own / "Tyto")
    found = read_test_set(own, domain=known)
    assert found.classes == ("barn owl", "eagle", "wren")
    assert found.templates == ("a photo of a {}, a type of bird.",)
    with pytest.raises(InputError, match=r"has 9 test images; Three Birds has 6 \(usual\)"):
        read_test_set(own, domain=made_up())
    assert "A part of Three Birds" in read_test_set(own, domain=made_up(), part=True).notes[0]
    draw(own / "__other" / "0.png", 99)
    with pytest.raises(ClassNamesError, match="has the class '__other'"):
        read_test_set(own, domain=known, part=True)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.json", "{", "is no JSON"),
        ("x.json", '{"a": 1, "a": 2}', "twice"),
        ("x.json", '{"valid": []}', "cannot be read as a list"),
        ("x.jsonl", "{", "cannot be read as a list"),
        ("x.jsonl", "[1]", "cannot be read as a list"),
        ("x.csv", "file\nx.png\n", "cannot be read as a list"),
        ("x.csv", "path,label,split\nx.png,a,dev\n", "cannot be read as a list"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as told:
        read_test_set(tmp_path / name)
    assert says in told.value.message


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(NoImagesError):
        read_test_set(tmp_path / "empty")
    for strange in ("a\0b", "x" * 5000):
        with pytest.raises(InputError, match="There is no folder or file"):
            read_test_set(strange)
    with pytest.raises(InputError, match="is blank"):
        read_test_set(" ")
