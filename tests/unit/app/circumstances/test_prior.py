"""How likely classes are beforehand: files in both forms, by image or place, and what does not fit."""

from pathlib import Path

import pytest

from fieldmark.app.circumstances.prior import read_prior
from fieldmark.app.circumstances.table import AboutImages, read_about
from fieldmark.errors import InputError
from fieldmark.tools.images.image_file import ImageFile

CLASSES = ("wren", "house sparrow")
IMAGES = tuple(ImageFile(Path(f"/site/{place}/{name}.png"), name) for place, name in ("xa", "xb", "yc"))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def about(tmp_path: Path) -> AboutImages:
    return read_about(
        written(tmp_path / "about.csv", "image,place,month\na.png,moor,5\nb.png,town,5\nother.png,sea,1\n")
    )


def test_wide_and_long_form_by_a_column_of_the_table(tmp_path: Path, about: AboutImages) -> None:
    wide = written(tmp_path / "wide.tsv", "place\tWren\thouse_sparrow\nmoor\t3\t1\ntown\t0\t2\n")
    long = written(
        tmp_path / "long.csv",
        "place,class,prior\nmoor,wren,0.75\nmoor,house sparrow,.25\ntown,house sparrow,1\n",
    )
    for path in (wide, long):
        found = read_prior(path, CLASSES, columns=about.columns)
        assert found.of(IMAGES, about) == {"a": (0.75, 0.25), "b": (0.0, 1.0)}


def test_by_image_by_folder_by_both_and_for_all(tmp_path: Path) -> None:
    by_image = read_prior({"a.png": {"wren": 1, "house sparrow": 3}}, CLASSES)
    assert by_image.of(IMAGES, None) == {"a": (0.25, 0.75)}
    folder = written(tmp_path / "folder.csv", "folder,wren,house sparrow\ny,1,1\n")
    assert read_prior(folder, CLASSES).of(IMAGES, None) == {"c": (0.5, 0.5)}
    for_all = written(tmp_path / "all.csv", "wren;house sparrow\n1;4\n")
    assert read_prior(for_all, CLASSES).of(IMAGES, None) == dict.fromkeys("abc", (0.2, 0.8))


def test_two_columns_are_one_key(tmp_path: Path, about: AboutImages) -> None:
    path = written(tmp_path / "p.csv", "place,month,wren,house sparrow\nmoor,5,1,0\ntown,6,1,0\nsea,1,0,1\n")
    assert read_prior(path, CLASSES, columns=about.columns).of(IMAGES, about) == {"a": (1.0, 0.0)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,class,prior\na.png,wran,1\n", "'wran', which is none of the classes"),
        ("image,wren,robin\na.png,1,1\n", "'robin' of .* is neither a class nor known of the images"),
        ("place,wren,house sparrow\nmoor,1,1\n", "'place' of .* is neither a class nor known"),
        ("image,wren\na.png,1\n", "says nothing of 'house sparrow'"),
        ("image,wren,house sparrow\na.png,1,-1\n", "'house sparrow' for image 'a.png' is no share but '-1'"),
        ("image,wren,house sparrow\na.png,1,nan\n", "is no share but 'nan'"),
        ("image,wren,house sparrow\na.png,1,1_000\n", "is no share but '1_000'"),
        ("image,wren,house sparrow\na.png,0,0\n", "does not sum to a number above 0"),
        ("image,wren,house sparrow\na.png,1,1\na.png,1,2\n", "is there twice for image 'a.png'"),
        ("image,place\na.png,moor\n", "has no rows of how likely classes are"),
        ("", "has no rows of how likely classes are"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_a_hint(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_prior(written(tmp_path / "p.csv", text), CLASSES)
    assert (caught.value.field, bool(caught.value.hint)) == ("prior", True)


def test_two_things_said_of_one_image_are_refused(tmp_path: Path) -> None:
    one, other = {"wren": 1, "house sparrow": 1}, {"wren": 1, "house sparrow": 2}
    path, name = str(IMAGES[0].path), IMAGES[0].path.name
    with pytest.raises(InputError, match="two things of"):
        read_prior({path: one, name: other}, CLASSES).of(IMAGES, None)
    assert read_prior({path: one, name: one}, CLASSES).of(IMAGES, None)
    about = written(tmp_path / "about.csv", f"image,place\n{name},moor\n{path},wood\n")
    with pytest.raises(InputError, match="two things of"):
        read_about(about).of(IMAGES)


def test_rows_about_no_image_here_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"None of the 1 rows of the prior .* image 'z\.png'"):
        read_prior({"z.png": {"wren": 1, "house sparrow": 1}}, CLASSES).of(IMAGES, None)
    with pytest.raises(InputError, match=r"None of the 1 rows of .* 'z\.png'"):
        read_about(written(tmp_path / "about.csv", "image,place\nz.png,moor\n")).of(IMAGES)
    with pytest.raises(InputError, match="has no rows of an image and what is known of it"):
        read_about(written(tmp_path / "none.csv", "place,month\nmoor,5\n"))
