"""Tar shards: read once, resumed where they were cut short, and refused where they would do harm."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tiny_sets import picture, sample, write_tar

from fieldmark.errors import CacheError, InputError
from fieldmark.tools.datasets import shards
from fieldmark.tools.datasets.reading import read_test_set
from fieldmark.tools.datasets.shards import is_shard_folder, read_shards
from fieldmark.tools.datasets.unpacked import PictureFolder, open_picture_folder


@pytest.fixture
def pictures(tmp_path: Path) -> PictureFolder:
    return open_picture_folder(tmp_path / "cache")


def test_pictures_labels_names_and_templates(shard_folder: Path, tmp_path: Path) -> None:
    found = read_test_set(shard_folder, cache=tmp_path / "cache")
    assert found.classes == ("barn owl", "eagle", "wren")
    assert [image.label for image in found.test] == ["barn owl", "eagle", "wren", "wren", "eagle", "barn owl"]
    assert found.templates == ("a photo of a {}.", "art of the {}.")
    assert [image.path.suffix for image in found.test[:3]] == [".png", ".jpg", ".webp"]
    assert [image.path.read_bytes() for image in found.test[3:]] == [picture(n) for n in (3, 4, 5)]
    assert all(image.path.stem == image.content_hash for image in found.test)
    assert found.train == ()
    assert found.counts == {"test": 6}


def test_shots_come_from_the_shards_for_training(shard_folder: Path, tmp_path: Path) -> None:
    found = read_test_set(shard_folder, cache=tmp_path / "cache", shots=1, seed=2)
    assert [image.label for image in found.train] == ["barn owl", "eagle", "wren"]
    assert found.counts == {"train": 6, "test": 6}
    assert len(found.test) == 6


def test_nothing_is_unpacked_twice(
    shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_test_set(shard_folder, cache=tmp_path / "cache")
    times = {image.path: image.path.stat().st_mtime_ns for image in first.test}

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a shard was opened again")

    monkeypatch.setattr(tarfile, "open", refuse)
    again = read_test_set(shard_folder, cache=tmp_path / "cache")
    assert again == first
    assert {image.path: image.path.stat().st_mtime_ns for image in again.test} == times


def test_work_that_was_cut_short_goes_on(
    shard_folder: Path, pictures: PictureFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = shards._samples

    def counting(shard: Path) -> Any:
        opened.append(shard.name)
        for number, each in enumerate(real(shard)):
            if shard.name == "1.tar" and number == 1 and opened.count("1.tar") == 1:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(shards, "_samples", counting)
    with pytest.raises(KeyboardInterrupt):
        read_shards(shard_folder, pictures, train=False)
    assert len(read_shards(shard_folder, pictures, train=False).rows["test"]) == 6
    assert opened == ["0.tar", "1.tar", "1.tar"]


def test_a_shard_that_changed_is_unpacked_anew(shard_folder: Path, pictures: PictureFolder) -> None:
    read_shards(shard_folder, pictures, train=False)
    write_tar(shard_folder / "test" / "1.tar", sample(77, 0))
    rows = read_shards(shard_folder, pictures, train=False).rows["test"]
    assert len(rows) == 4
    assert rows[3][0].read_bytes() == picture(77)


def test_a_lost_picture_comes_back_and_a_spoilt_one_is_told(shard_folder: Path, tmp_path: Path) -> None:
    first = read_test_set(shard_folder, cache=tmp_path / "cache")
    lost, spoilt, torn = (first.test[place].path for place in (0, 3, 4))
    lost.unlink()
    assert read_test_set(shard_folder, cache=tmp_path / "cache") == first
    spoilt.write_bytes(picture(999))
    torn.write_bytes(torn.read_bytes()[:9])
    with pytest.raises(CacheError, match="2 unpacked picture"):
        read_test_set(shard_folder, cache=tmp_path / "cache")
    assert read_test_set(shard_folder, cache=tmp_path / "cache") == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other", "pictures": []}'])
def test_a_broken_index_is_no_index(shard_folder: Path, tmp_path: Path, text: str) -> None:
    first = read_test_set(shard_folder, cache=tmp_path / "cache")
    for index in (tmp_path / "cache" / "datasets" / "indexes").iterdir():
        index.write_text(text)
    assert read_test_set(shard_folder, cache=tmp_path / "cache") == first


def test_an_index_cannot_lead_out_of_the_folder(shard_folder: Path, tmp_path: Path) -> None:
    first = read_test_set(shard_folder, cache=tmp_path / "cache")
    (tmp_path / "secret.png").write_bytes(picture(1234))
    for index in (tmp_path / "cache" / "datasets" / "indexes").iterdir():
        value = json.loads(index.read_text())
        value["pictures"][0]["name"] = "pictures/../../../secret.png"
        index.write_text(json.dumps(value))
    assert read_test_set(shard_folder, cache=tmp_path / "cache") == first


def test_only_the_owner_can_enter(shard_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    read_test_set(shard_folder, cache=tmp_path / "cache")
    assert (tmp_path / "cache" / "datasets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o755


def test_names_that_stand_there_twice_are_told_apart(shard_folder: Path, tmp_path: Path) -> None:
    (shard_folder / "classnames.txt").write_text("wren\neagle\nwren\n")
    found = read_test_set(shard_folder, cache=tmp_path / "cache")
    assert found.classes == ("wren", "eagle", "wren (2)")
    assert [image.label for image in found.test[:3]] == ["wren", "eagle", "wren (2)"]
    assert "wren (2)" in found.notes[0]


def test_where_to_unpack_must_be_said(shard_folder: Path) -> None:
    with pytest.raises(InputError, match="have to be unpacked"):
        read_test_set(shard_folder)


def test_other_files_of_a_sample_are_left_alone(shard_folder: Path, pictures: PictureFolder) -> None:
    members = [("s1.json", b"{"), ("s1.cls", b"0\n"), ("s1.PNG", picture(1)), ("s1.npy", b"\x80\x04.")]
    write_tar(shard_folder / "test" / "1.tar", members)
    rows = read_shards(shard_folder, pictures, train=False).rows["test"]
    assert [path.read_bytes() for path, _ in rows[3:]] == [picture(1)]


def entry(name: str, **given: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in given.items():
        setattr(info, key, value)
    return info


Members = Iterable[tuple[str, bytes] | tarfile.TarInfo]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("../../evil.png", picture(1)), ("../../evil.cls", b"0")], "leads out of the archive"),
        ([("/tmp/evil.png", picture(1))], "leads out of the archive"),
        ([("a/..\\..\\evil.png", picture(1))], "leads out of the archive"),
        ([("evil\nname.png", picture(1))], "cannot be written"),
        ([entry("s1.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "is a link or no plain file"),
        ([entry("s1.png", type=tarfile.LNKTYPE, linkname="s0000000.png")], "is a link or no plain file"),
        ([entry("s1.png", type=tarfile.CHRTYPE)], "is a link or no plain file"),
        ([entry("s1.png", type=tarfile.FIFOTYPE)], "is a link or no plain file"),
        (sample(9, 3), "has the label 3 for 's0000009', but classnames.txt has 3 classes"),
        ([("s1.png", picture(1)), ("s1.cls", b"-1")], "not a number from 0"),
        ([("s1.png", picture(1)), ("s1.cls", b"owl")], "not a number from 0"),
        ([("s1.png", picture(1)), ("s1.cls", b"")], "not a number from 0"),
        ([("s1.png", picture(1)), ("s1.cls", "²".encode())], "not a number from 0"),
        ([("s1.png", picture(1)), ("s1.cls", b"1" * 100)], "of 100 bytes"),
        ([("s1.png", picture(1))], "has no label for 's1'"),
        ([("s1.cls", b"0")], "has 0 pictures for 's1'"),
        (
            [("s1.png", picture(1)), ("s1.jpg", picture(2, "jpg")), ("s1.cls", b"0")],
            "has 2 pictures for 's1'",
        ),
        ([("s1.png", picture(1)), ("s1.png", picture(2)), ("s1.cls", b"0")], "has 's1.png' twice"),
        ([*sample(1, 0), *sample(2, 0), *sample(1, 1)], "has 's0000001' twice"),
    ],
)
def test_shards_that_are_refused(
    shard_folder: Path, tmp_path: Path, pictures: PictureFolder, members: Members, says: str
) -> None:
    write_tar(shard_folder / "test" / "1.tar", members)
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    with pytest.raises(InputError) as told:
        read_shards(shard_folder, pictures, train=False)
    assert says in told.value.message
    assert "1.tar" in told.value.message
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before


def test_a_member_that_is_too_large(
    shard_folder: Path, pictures: PictureFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_BYTES", 20)
    with pytest.raises(InputError, match=r"0\.tar' has the member 's0000000\.png' of \d+ bytes"):
        read_shards(shard_folder, pictures, train=False)


def test_a_sparse_member_is_refused(shard_folder: Path, pictures: PictureFolder) -> None:
    made = io.BytesIO()
    info = entry("s1.png", size=4, pax_headers={"GNU.sparse.map": "0,4", "GNU.sparse.size": str(2**40)})
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"data"))
    (shard_folder / "test" / "1.tar").write_bytes(made.getvalue())
    with pytest.raises(InputError, match="is a link or no plain file"):
        read_shards(shard_folder, pictures, train=False)


@pytest.mark.parametrize("cut", [0, 100, 700])
def test_a_damaged_shard_is_refused(shard_folder: Path, pictures: PictureFolder, cut: int) -> None:
    path = shard_folder / "test" / "1.tar"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"1\.tar"):
        read_shards(shard_folder, pictures, train=False)


@pytest.mark.parametrize("data", [b"no archive" * 100, b"\x1f\x8b" + bytes(600), b"<html>" + b" " * 2000])
def test_what_is_no_tar_file(shard_folder: Path, pictures: PictureFolder, data: bytes) -> None:
    (shard_folder / "test" / "0.tar").write_bytes(data)
    with pytest.raises(InputError, match="is damaged or no tar file"):
        read_shards(shard_folder, pictures, train=False)


def test_empty_shards(shard_folder: Path, tmp_path: Path) -> None:
    write_tar(shard_folder / "test" / "1.tar", [])
    assert len(read_test_set(shard_folder, cache=tmp_path / "cache").test) == 3
    write_tar(shard_folder / "test" / "0.tar", [])
    with pytest.raises(InputError, match="has no test images"):
        read_test_set(shard_folder, cache=tmp_path / "cache")


def test_folders_in_a_shard_are_passed_over(shard_folder: Path, pictures: PictureFolder) -> None:
    inner = [(f"x/{name}", data) for name, data in sample(9, 1)]
    write_tar(shard_folder / "test" / "1.tar", [entry("x", type=tarfile.DIRTYPE), *inner])
    assert [label for _, label in read_shards(shard_folder, pictures, train=False).rows["test"]][3:] == [
        "eagle"
    ]


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (remove("classnames.txt"), "has no classnames.txt"),
        (write("classnames.txt", " \n"), "names no class"),
        (write("classnames.txt", "only one\n"), "has 1 classes, from 0"),
        (remove("test/nshards.txt"), "nshards.txt' cannot be read"),
        (write("test/nshards.txt", "two"), "holds 'two', not the number of shards"),
        (write("test/nshards.txt", "99999999999999"), "not the number of shards"),
        (write("test/nshards.txt", "0"), "says that there is no shard"),
        (write("test/nshards.txt", "3"), "2.tar' is missing; nshards.txt says that there are 3"),
        (write("dataset_type.txt", "multilabel\n"), "is a set for multilabel"),
        (write("zeroshot_classification_templates.txt", "a photo\n"), "needs one {c}"),
    ],
)
def test_folders_that_do_not_fit(
    shard_folder: Path, pictures: PictureFolder, spoil: Callable[[Path], Any], says: str
) -> None:
    spoil(shard_folder)
    with pytest.raises(InputError) as told:
        read_shards(shard_folder, pictures, train=False)
    assert says in told.value.message


def test_a_set_without_templates(shard_folder: Path, pictures: PictureFolder) -> None:
    (shard_folder / "zeroshot_classification_templates.txt").unlink()
    assert read_shards(shard_folder, pictures, train=False).templates == ()


def test_a_cache_folder_that_cannot_be_used(shard_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError):
        read_test_set(shard_folder, cache=tmp_path / "file")


def test_told_from_other_folders(shard_folder: Path, tmp_path: Path) -> None:
    assert is_shard_folder(shard_folder)
    assert not is_shard_folder(tmp_path)
    assert not is_shard_folder(tmp_path / "none")


def test_names_may_have_dots(shard_folder: Path, pictures: PictureFolder) -> None:
    members = [
        ("IMG.001.png", picture(1)), ("IMG.001.cls", b"0"),
        ("IMG.002.cls", b"1"), ("IMG.002.png", picture(2)),
        ("v1.2/s.cls", b"2"), ("v1.2/s.seg.png", picture(9)), ("v1.2/s.png", picture(3)),
    ]  # fmt: skip
    write_tar(shard_folder / "test" / "1.tar", members)
    rows = read_shards(shard_folder, pictures, train=False).rows["test"]
    assert [(path.read_bytes(), label) for path, label in rows[3:]] == [
        (picture(1), "barn owl"),
        (picture(2), "eagle"),
        (picture(3), "wren"),
    ]


def test_what_macos_puts_beside_files_is_none_of_them(shard_folder: Path, pictures: PictureFolder) -> None:
    members = [
        ("._s1.png", b"x"), ("s1.png", picture(1)), ("._s1.cls", b"x"), ("s1.cls", b"0"),
        ("__MACOSX/._s1.png", b"x"),
    ]  # fmt: skip
    write_tar(shard_folder / "test" / "1.tar", members)
    assert len(read_shards(shard_folder, pictures, train=False).rows["test"]) == 4
    alone = shard_folder / "alone"
    (alone / "test").mkdir(parents=True)
    (alone / "test" / "._0.tar").write_bytes(b"x")
    assert not is_shard_folder(alone)
