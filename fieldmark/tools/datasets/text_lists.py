"""Reads the text lists of FGVC Aircraft (one image a line) and CUB-200-2011 (four lists joined by number)."""

from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.records.names import one_name
from fieldmark.tools.books.files import clipped, refuse
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.datasets.layouts import BirdLists, Lists
from fieldmark.tools.datasets.listing import Listing, inside


def read_lists(layout: Lists, root: Path, *, train: bool) -> Listing:
    """Images from one text file a split.

    Raises:
        InputError: A list is missing, or has a line that is not understood.
    """
    folder = root / layout.folder
    classes = tuple(map(one_name, text_lines(folder / layout.classes)))
    if len(set(classes)) < len(classes):
        refuse(folder / layout.classes, "has a class twice")
    rows: Rows = {}
    for split, name in layout.files.items():
        if split != "test" and not train:
            continue
        path = folder / name
        pairs = rows.setdefault(split, [])
        for number, line in enumerate(text_lines(path), start=1):
            image, _, label = line.partition(" ")
            label = one_name(label)
            if label not in classes:
                refuse(
                    path,
                    f"has in line {number} the class {clipped(label)!r}, which is not in {layout.classes}",
                )
            pairs.append(
                (inside(folder / layout.images, image + layout.suffix, source=repr(str(path))), label)
            )
    return Listing(rows=rows, classes=classes, source=repr(str(folder / layout.marker)), ordered=True)


def read_bird_lists(layout: BirdLists, root: Path) -> Listing:
    """Images from the four lists of CUB-200-2011, which number images and classes from 1.

    Raises:
        InputError: A list is missing, or the lists do not fit each other.
    """
    folder = root / layout.folder
    images = _numbered(folder / "images.txt")
    labels = _numbered(folder / "image_class_labels.txt")
    training = _numbered(folder / "train_test_split.txt")
    titles = _numbered(folder / "classes.txt")
    rows: Rows = {"train": [], "test": []}
    for number, name in images.items():
        for path, values in (("image_class_labels.txt", labels), ("train_test_split.txt", training)):
            if number not in values:
                refuse(folder / path, f"has no line for image {number}, which images.txt lists")
        if labels[number] not in titles:
            refuse(folder / "classes.txt", f"has no class {labels[number]}, which image {number} has")
        if training[number] not in ("0", "1"):
            refuse(folder / "train_test_split.txt", f"has {clipped(training[number])!r} for image {number}")
        split = "train" if training[number] == "1" else "test"
        path = inside(folder / "images", name, source=repr(str(folder / "images.txt")))
        rows[split].append((path, titles[labels[number]]))
    return Listing(
        rows=rows, classes=tuple(titles.values()), source=repr(str(folder / "images.txt")), ordered=True
    )


def text_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file that are not blank, without blanks around them.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    try:
        text = read_text(path, encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not UTF-8 text.", hint="Is it the right file?") from error
    return tuple(stripped for line in text.split("\n") if (stripped := line.strip()))


def _numbered(path: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text_lines(path):
        number, _, value = line.partition(" ")
        if not (number.isascii() and number.isdecimal()) or not value.strip():
            refuse(path, f"has the line {clipped(line)!r}, not NUMBER VALUE")
        if number in values:
            refuse(path, f"has the number {number} twice")
        values[number] = value.strip()
    return values
