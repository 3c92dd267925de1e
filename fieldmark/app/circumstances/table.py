"""Reads a table about images, such as their place, their month, or the individual that they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.app.inputs import images_by_name, named
from fieldmark.errors import InputError
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.images.image_file import ImageFile

IMAGE, FOLDER = "image", "folder"
HASH = "image_hash"


@dataclass(frozen=True)
class AboutImages:
    """A table about images.

    Attributes:
        path: The file.
        columns: Its columns, but for those that name the image.
        rows: Its rows, a value for each column that is not cut off.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def of(self, images: Sequence[ImageFile]) -> dict[str, Mapping[str, str]]:
        """The rows of these images, by content hash; those of other images are passed over.

        Raises:
            InputError: Not one is of an image here.
        """
        by_hash, by_name = {each.content_hash: each for each in images}, images_by_name(images)
        found: dict[str, Mapping[str, str]] = {}
        for row in self.rows:
            image = by_hash.get(row.get(HASH, "")) or named(row[IMAGE], by_name)
            if image is None:
                continue
            earlier = found.setdefault(image.content_hash, row)
            if any(earlier.get(name) != row.get(name) for name in self.columns):
                raise InputError(
                    f"{str(self.path)!r} says two things of {row[IMAGE]!r}.",
                    hint="Take one of the rows out.",
                    field="about",
                )
        if not found:
            raise InputError(
                f"None of the {len(self.rows):,} rows of {str(self.path)!r} is of an image here"
                + (f"; the first is of {self.rows[0][IMAGE]!r}." if self.rows else "."),
                hint="Name images as the run does, by path, or by a file name that only one of them has.",
                field="about",
            )
        return found


def read_about(path: Path | str) -> AboutImages:
    """Read the table: CSV or TSV with the column image and others.

    Raises:
        InputError: It cannot be read, or has no such columns.
    """
    path = Path(path)
    table = read_csv(path)
    columns = tuple(dict.fromkeys(name for row in table for name in row))
    others = tuple(name for name in columns if name not in (IMAGE, HASH))
    if IMAGE not in columns or not others:
        raise InputError(
            f"{str(path)!r} has no rows of an image and what is known of it.",
            hint="Write a column image, and one for each thing that is known, such as place or individual.",
            field="about",
        )
    return AboutImages(path, others, tuple(row for row in table if row.get(IMAGE)))
