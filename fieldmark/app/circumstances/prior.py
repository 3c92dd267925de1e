"""Reads how likely classes are beforehand: for each image, or for each place, month or what a table knows."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.app.circumstances.table import FOLDER, HASH, IMAGE, AboutImages
from fieldmark.app.inputs import images_by_name, named
from fieldmark.errors import InputError, close_to
from fieldmark.records.names import one_name, plain_name
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.csv_table import as_cell

Prior = Mapping[str, Mapping[str, float]] | Path | str
"""Image → class → how likely it is, or a CSV or TSV file of that."""
CLASS, PRIOR = "class", "prior"
_FORM = (
    "Write a column image, or one that the table about the images has, and a column for each class; or the "
    f"columns {CLASS} and {PRIOR} in their place."
)
Key = tuple[str, ...]


@dataclass(frozen=True)
class PriorTable:
    """How likely classes are.

    Attributes:
        keys: What a row is known by: the columns that are no class.
        rows: Their values → how likely each class is, in the order of the classes; sums to 1.
    """

    keys: tuple[str, ...]
    rows: Mapping[Key, tuple[float, ...]]

    def of(self, images: Sequence[ImageFile], about: AboutImages | None) -> dict[str, tuple[float, ...]]:
        """How likely classes are for each image that a row is about, by content hash.

        Raises:
            InputError: No row is about any.
        """
        facts = about.of(images) if about and set(self.keys) - {IMAGE, FOLDER} else {}
        rows = self._by_image(images) if IMAGE in self.keys else self.rows
        found: dict[str, tuple[float, ...]] = {}
        for image in images:
            own: dict[str, str] = {FOLDER: Path(image.path).parent.name, **facts.get(image.content_hash, {})}
            own[IMAGE] = image.content_hash
            key = tuple(own.get(name, "").strip() for name in self.keys)
            if key in rows:
                found[image.content_hash] = rows[key]
        if not found:
            first = next(iter(self.rows))
            raise _wrong(
                f"None of the {len(self.rows):,} rows of the prior is about an image here; the first is of "
                f"{_said(self.keys, first)}.",
                "Write images by their path, and places and the like as the table about the images does.",
            )
        return found

    def _by_image(self, images: Sequence[ImageFile]) -> dict[Key, tuple[float, ...]]:
        """The rows of these images, with the content hash in the place of a name."""
        place, by_name = self.keys.index(IMAGE), images_by_name(images)
        found: dict[Key, tuple[float, ...]] = {}
        for key, row in self.rows.items():
            if (image := named(key[place], by_name)) is not None:
                here = (*key[:place], image.content_hash, *key[place + 1 :])
                if found.setdefault(here, row) != row:
                    raise _wrong(f"The prior says two things of {key[place]!r}.", "Take one of the rows out.")
        return found


def read_prior(given: Prior, classes: Sequence[str], *, columns: Collection[str] = ()) -> PriorTable:
    """Read how likely classes are, and check it against them.

    Args:
        given: Image → class → how likely; or a CSV or TSV file, in wide form (a column a class) or long form
            (the columns class and prior). Numbers need not sum to 1. A class that a row says nothing of is
            given 0 there.
        classes: The class names.
        columns: The columns of the table about the images.

    Raises:
        InputError: It cannot be read, names no or an unknown class or column, lacks a class altogether, has a
            number that is no share, or a row twice.
    """
    place = {plain_name(spelled): at for at, name in enumerate(classes) for spelled in (as_cell(name), name)}
    keys, said = _of_mapping(given) if isinstance(given, Mapping) else _of_file(Path(given), place, columns)
    rows: dict[Key, list[float | None]] = {}
    for key, name, number in said:
        at = place.get(plain_name(name))
        if at is None:
            raise _wrong(
                f"The prior names {name!r}, which is none of the classes.",
                close_to(name, classes).strip() or "Take it out, or list the class.",
            )
        row = rows.setdefault(key, [None] * len(classes))
        if row[at] is not None:
            raise _wrong(
                f"The prior of {name!r} is there twice{f' for {_said(keys, key)}' if keys else ''}.",
                "Take one of the rows out.",
            )
        row[at] = _number(number, name, _said(keys, key))
    lacking = [name for at, name in enumerate(classes) if all(row[at] is None for row in rows.values())]
    if lacking:
        raise _wrong(
            f"The prior says nothing of {', '.join(map(repr, lacking[:3]))}"
            + (f" and {len(lacking) - 3} more classes." if len(lacking) > 3 else "."),
            "Give it a column or rows; 0 where it does not occur.",
        )
    shares: dict[Key, tuple[float, ...]] = {}
    for key, row in rows.items():
        total = sum(each or 0.0 for each in row)
        if not 0 < total < math.inf:
            raise _wrong(
                f"The prior for {_said(keys, key) or 'all images'} does not sum to a number above 0.",
                "Give a class more than 0, or leave that row out: all classes are then taken to be alike.",
            )
        shares[key] = tuple((each or 0.0) / total for each in row)
    return PriorTable(keys, shares)


def _of_mapping(given: Mapping[str, Mapping[str, float]]) -> tuple[Key, list[tuple[Key, str, object]]]:
    if not all(isinstance(each, Mapping) for each in given.values()):
        raise _wrong("The prior is no mapping of image to class to how likely it is.", _FORM)
    return (IMAGE,), [
        ((str(image),), str(name), number) for image, row in given.items() for name, number in row.items()
    ]


def _of_file(
    path: Path, place: Mapping[str, int], columns: Collection[str]
) -> tuple[Key, Iterator[tuple[Key, str, object]]]:
    table = read_csv(path, head_as=one_name)
    head = tuple(dict.fromkeys(name for row in table for name in row))
    long = CLASS in head and PRIOR in head
    named_classes = () if long else tuple(name for name in head if plain_name(name) in place)
    keys = tuple(
        name for name in head if name not in (*named_classes, *((CLASS, PRIOR) if long else ()), HASH)
    )
    if not table or not (long or named_classes):
        raise _wrong(f"{str(path)!r} has no rows of how likely classes are.", _FORM)
    known = {IMAGE, FOLDER, *columns}
    for name in keys:
        if name not in known:
            raise _wrong(
                f"The column {name!r} of {str(path)!r} is neither a class nor known of the images.",
                f"{close_to(name, [*known, *place])}Known are: {', '.join(sorted(known))}.",
            )

    def said() -> Iterator[tuple[Key, str, object]]:
        for row in table:
            key = tuple(row.get(name, "").strip() for name in keys)
            for name in (row.get(CLASS, ""),) if long else named_classes:
                yield key, name, row.get(PRIOR if long else name, "")

    return keys, said()


def _number(given: object, name: str, of: str) -> float:
    try:
        number = math.nan
        if isinstance(given, int | float) or (isinstance(given, str) and "_" not in given):
            number = float(given or 0)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise _wrong(
            f"The prior of {name!r}{f' for {of}' if of else ''} is no share but {given!r}.",
            "Give 0 or a positive number.",
        )
    return number


def _said(keys: Key, key: Key) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in zip(keys, key, strict=True))


def _wrong(message: str, hint: str) -> InputError:
    return InputError(message, hint=hint, field="prior")
