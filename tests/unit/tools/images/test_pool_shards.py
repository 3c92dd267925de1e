"""Pools of every kind are cut into the same shards each time, and read without a picture being lost."""

import io
import tarfile
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import InputError, NoImagesError
from fieldmark.records import SkippedInput
from fieldmark.tools.images.files import decode_image
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool import find_shards
from fieldmark.tools.images.pool_shard import PoolShard, read_shard


def png(at: int) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), at, np.uint8)).save(written, "PNG")
    return written.getvalue()


def folder_of(path: Path, count: int) -> Path:
    path.mkdir(parents=True)
    for at in range(count):
        (path / f"{at}.png").write_bytes(png(at))
    return path


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def seen(shards: tuple[PoolShard, ...]) -> dict[str, int]:
    """The grey of each picture, by its name."""
    found = [each for shard in shards for each in read_shard(shard)]
    pictures = (each for each in found if isinstance(each, ImageFile))
    return {str(each.path): int(np.asarray(decode_image(each))[0, 0, 0]) for each in pictures}


def test_files_folders_and_lists_are_cut_in_order(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 5)
    (folder / "words.md").write_text("no picture")
    shards = find_shards([str(folder)], shard_images=2)
    assert [len(each.places) for each in shards] == [2, 2, 1]
    assert seen(shards) == {str(folder / f"{at}.png"): at for at in range(5)}
    assert find_shards([str(folder)], shard_images=2) == shards
    (tmp_path / "list.txt").write_text("# some\na/3.png\n\na/1.png\n" + str(folder / "2.png") + "\na/9.png\n")
    (listed,) = find_shards([str(tmp_path / "list.txt")])
    assert [Path(each).name for each in listed.places] == ["3.png", "1.png", "2.png", "9.png"]
    *_, lost = read_shard(listed)
    assert isinstance(lost, SkippedInput)
    assert "No such file" in lost.reason


def test_a_changed_file_makes_another_shard(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 2)
    before = find_shards([str(folder)], shard_images=1)
    (folder / "1.png").write_bytes(png(200) + b" ")
    after = find_shards([str(folder)], shard_images=1)
    assert before[0].key == after[0].key
    assert before[1].key != after[1].key


def test_an_archive_is_a_shard_and_only_its_pictures_count(tmp_path: Path) -> None:
    path = tar_of(
        tmp_path / "0.tar",
        {"x/1.png": png(1), "x/1.cls": b"3", "x/._1.png": b"mac", "../2.PNG": png(2), "x/3.json": b"{}"},
    )
    shards = find_shards([str(tmp_path)])
    assert [each.kind for each in shards] == ["tar"]
    assert seen(shards) == {f"{path}!x/1.png": 1, f"{path}!../2.PNG": 2}  # a name; nothing is unpacked
    path.write_bytes(path.read_bytes()[:3600])  # torn in the second picture
    first, lost = read_shard(find_shards([str(path)])[0])
    assert (str(first.path), lost.path) == (f"{path}!x/1.png", str(path))
    assert isinstance(lost, SkippedInput)
    assert "to its end" in lost.reason


def test_a_table_has_a_shard_for_each_row_group(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as parquet

    path = tmp_path / "t.parquet"
    table = pa.table({"n": [0, 1, 2, 3], "image": [{"bytes": png(at), "path": None} for at in range(4)]})
    parquet.write_table(table, path, row_group_size=3)
    shards = find_shards([str(path)])
    assert [(each.kind, each.group, each.column) for each in shards] == [
        ("parquet", 0, "image"), ("parquet", 1, "image"),
    ]  # fmt: skip
    assert seen(shards) == {f"{path}#{at}": at for at in range(4)}
    with pytest.raises(InputError, match="no column 'picture'"):
        find_shards([str(path)], column="picture")
    plain = tmp_path / "plain.parquet"
    folder = folder_of(tmp_path / "a", 1)
    parquet.write_table(pa.table({"n": [1.0], "data": [png(9)], "path": [str(folder / "0.png")]}), plain)
    assert seen(find_shards([str(plain)])) == {f"{plain}#0": 9}
    assert seen(find_shards([str(plain)], column="path")) == {str(folder / "0.png"): 0}
    parquet.write_table(pa.table({"n": [1.0]}), plain)
    with pytest.raises(InputError, match="no column of images"):
        find_shards([str(plain)])
    plain.write_bytes(b"no table")
    *_, lost = [each for shard in find_shards([str(plain), str(path)]) for each in read_shard(shard)][:1]
    assert (lost.path, isinstance(lost, SkippedInput)) == (str(plain), True)


def test_cells_that_lead_nowhere_are_skipped_by_name(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as parquet

    folder, path = folder_of(tmp_path / "a", 1), tmp_path / "t.parquet"
    fine = str(folder / "0.png")
    parquet.write_table(pa.table({"image": ["nosuchthing://x.png", fine, "memory://no/x.png", fine]}), path)
    given = list(read_shard(find_shards([str(path)])[0]))
    assert [isinstance(each, SkippedInput) for each in given] == [True, False, True, False]


def test_letters_of_patterns_and_copies_are_names(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    names = ["memory://letters/a[1].png", "memory://letters/b?.png", "memory://letters/a1.png"]
    for at, name in enumerate(names):
        files.pipe_file(name.removeprefix("memory:/"), png(at))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*names, names[0], "memory://letters/gone.png"]))
    (shard,) = find_shards([str(listed)])
    *found, lost = read_shard(shard)
    greys = [int(np.asarray(decode_image(each))[0, 0, 0]) for each in found if isinstance(each, ImageFile)]
    assert greys == [0, 1, 2, 0]
    assert isinstance(lost, SkippedInput)
    assert lost.path.endswith("gone.png")


def test_what_is_passed_over_in_a_folder_is_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 1)
    tar_of(folder / "0.tar", {"1.png": png(1)})
    (folder / "words.md").write_text("no picture")
    fsspec.filesystem("memory").pipe_file("/passed/x.md", b"no picture")
    fsspec.filesystem("memory").pipe_file("/passed/x.png", png(1))
    others = Counter[str]()
    find_shards([str(folder), "memory://passed"], passed_over=others)
    assert others == {".md": 2}


def test_addresses_are_walked_matched_and_read(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    for at in range(3):
        files.pipe_file(f"/bucket/in/{at}.png", png(at))
    files.pipe_file("/bucket/in/words.txt", b"no picture")
    files.pipe_file("/bucket/s-0.tar", tar_of(tmp_path / "t.tar", {"7.png": png(7)}).read_bytes())
    shards = find_shards(["memory://bucket/in", "memory://bucket/s-*.tar"])
    assert [each.kind for each in shards] == ["tar", "files"]
    names = seen(shards)
    assert list(names.values()) == [7, 0, 1, 2]
    assert all(name.startswith("memory:") for name in names)
    files.rm("/bucket/in/1.png")
    assert [type(each).__name__ for each in read_shard(shards[1])] == [
        "ImageBytes",
        "SkippedInput",
        "ImageBytes",
    ]
    with pytest.raises(InputError, match="cannot be opened"):
        find_shards(["memory://nobucket/x.png"])
    with pytest.raises(InputError, match="cannot be opened"):
        find_shards(["nosuchthing://x"])


def test_an_empty_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImagesError, match="no images"):
        find_shards([str(tmp_path)])
    with pytest.raises(InputError, match="Give 1 or more"):
        find_shards([str(folder_of(tmp_path / "a", 1))], shard_images=0)
