"""Which images share a label: by folder, by a table, by a mapping, by when they were taken."""

from pathlib import Path

import pytest
from PIL import Image

from fieldmark.app.circumstances.groups import check_group_by, groups_of
from fieldmark.app.circumstances.table import read_about
from fieldmark.app.inputs import find_given
from fieldmark.errors import InputError
from fieldmark.tools.images.image_file import ImageFile

IMAGES = tuple(
    ImageFile(Path(f"/site/{folder}/{name}.png"), name) for folder, name in ("xa", "xb", "yc", "yd", "ze")
)


def test_by_folder_and_images_that_are_alone_are_in_none() -> None:
    assert groups_of("folder", IMAGES, None) == {
        "a": "/site/x",
        "b": "/site/x",
        "c": "/site/y",
        "d": "/site/y",
    }


def test_by_a_column_and_by_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "about.csv"
    path.write_text("image,bird\na.png,1\nc.png,1\nb.png,2\nd.png,\ne.png,2\n")
    expected = {"a": "1", "c": "1", "b": "2", "e": "2"}
    assert groups_of("bird", IMAGES, read_about(path)) == expected
    assert groups_of({"a.png": "1", "c.png": "1", "b.png": "2", "e.png": "2"}, IMAGES, None) == expected


@pytest.mark.parametrize(
    "mapping", [dict.fromkeys((f"{name}.png" for name in "abcde"), "one"), {"a.png": "1"}]
)
def test_one_group_of_all_and_no_group_at_all_are_refused(mapping: dict[str, str]) -> None:
    with pytest.raises(InputError, match="By the mapping") as caught:
        groups_of(mapping, IMAGES, None)
    assert caught.value.field == "group_by"


def test_a_way_that_there_is_not_is_refused_and_the_others_are_named() -> None:
    for way in ("folder", "exif", "exif:2.5", "bird"):
        check_group_by(way, ("bird",))
    for way, columns in (("brid", ("bird",)), ("exif:-1", None), ("bird", None)):
        with pytest.raises(InputError, match=f"cannot be grouped by '{way}'") as caught:
            check_group_by(way, columns)
        assert "exif:SECONDS" in (caught.value.hint or "")


def taken(path: Path, colour: int, when: str | None, *, camera: str = "trap 1", fraction: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0110] = camera
    if when:
        exif.get_ifd(0x8769).update({0x9003: f"2026:05:01 {when}", 0x9291: fraction})
    Image.new("RGB", (4, 4), (colour, 9, 9)).save(path, exif=exif)
    return path


def test_bursts_of_one_camera_and_folder_end_where_a_pause_is_longer(tmp_path: Path) -> None:
    paths = [
        taken(tmp_path / "x" / "a.jpg", 0, "10:00:00"),
        taken(tmp_path / "x" / "b.jpg", 40, "10:00:04"),
        taken(tmp_path / "x" / "c.jpg", 80, "10:00:08"),  # 8 s after the first, 4 after the one before
        taken(tmp_path / "x" / "d.jpg", 120, "10:00:13", fraction="5"),
        taken(tmp_path / "x" / "e.jpg", 160, "10:00:14", camera="trap 2"),
        taken(tmp_path / "y" / "f.jpg", 200, "10:00:01"),
        taken(tmp_path / "x" / "g.jpg", 240, None),
    ]
    images = find_given(paths).images
    names = {image.content_hash: image.path.name for image in images}

    def found(way: str) -> dict[str, str]:
        return {names[digest]: Path(group).name for digest, group in groups_of(way, images, None).items()}

    assert found("exif") == {"a.jpg": "a.jpg", "b.jpg": "a.jpg", "c.jpg": "a.jpg"}
    assert found("exif:5.5") == {"a.jpg": "a.jpg", "b.jpg": "a.jpg", "c.jpg": "a.jpg", "d.jpg": "a.jpg"}
    with pytest.raises(InputError, match="no two images are one group"):
        groups_of("exif:0", images, None)
