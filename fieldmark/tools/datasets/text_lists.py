"""Readers of the text lists that data sets come with: one image a line, or several lists joined by number."""

import re
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.tools.books.files import clipped, refuse
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.datasets.layouts import BirdLists, Lists
from fieldmark.tools.datasets.listing import Listing, first_seen, inside


def read_lists(layout: Lists, root: Path, *, train: bool) -> Listing:
    """Images from one text file a split.

    Args:
        layout: Which files, and what a line holds.
        root: Where the set's folder is.
        train: Whether the training and validation lists are wanted, too.

    Raises:
        InputError: A list is missing, or has a line that is not understood.
    """
    folder = root / layout.folder
    classes: tuple[str, ...] = ()
    if layout.classes is not None:
        listed = text_lines(folder / layout.classes)
        classes = _numbered_classes(folder / layout.classes, listed) if layout.label == "number" else listed
        if len(set(classes)) < len(classes):
            refuse(folder / layout.classes, "has a class twice")
    rows: Rows = {}
    for split, name in layout.files.items():
        if split != "test" and not train:
            continue
        path = folder / name
        pairs = rows.setdefault(split, [])
        for number, line in enumerate(text_lines(path), start=1):
            image, label = _image_and_label(layout, line, classes, path, number)
            place = inside(folder / layout.images, image + layout.suffix, source=repr(str(path)))
            pairs.append((place, label))
    return Listing(
        rows=rows,
        classes=classes or tuple(sorted(first_seen(rows))),
        source=repr(str(folder / layout.marker)),
        ordered=bool(classes),
    )


def read_bird_lists(layout: BirdLists, root: Path) -> Listing:
    """Images from the four lists of CUB-200-2011, which number images and classes from 1.

    Args:
        layout: Which folder.
        root: Where the set's folder is.

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
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not UTF-8 text.", hint="Is it the right file?") from error
    return tuple(stripped for line in text.split("\n") if (stripped := line.strip()))


def _image_and_label(
    layout: Lists, line: str, classes: tuple[str, ...], path: Path, number: int
) -> tuple[str, str]:
    if layout.label == "folder":
        folder, slash, _ = line.rpartition("/")
        if not slash or not folder:
            refuse(path, f"has in line {number} {clipped(line)!r}, not FOLDER/FILE")
        return line, folder
    image, _, label = line.partition(" ")
    label = label.strip()
    if layout.label == "number":
        if not (label.isascii() and label.isdecimal() and int(label) < len(classes)):
            refuse(
                path, f"has in line {number} the label {clipped(label)!r}; there are {len(classes)} classes"
            )
        # Places365 begins its paths with a slash that means the folder of the images.
        return image.lstrip("/"), classes[int(label)]
    if classes and label not in classes:
        refuse(
            path, f"has in line {number} the class {clipped(label)!r}, which {layout.classes} does not list"
        )
    return image, label


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


def _numbered_classes(path: Path, listed: tuple[str, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for place, line in enumerate(listed):
        name, _, number = line.rpartition(" ")
        if number != str(place) or not name.strip():
            refuse(path, f"has {clipped(line)!r} in line {place + 1}, not a class and the number {place}")
        # Places365 writes "/a/arrival_gate/outdoor": under the first letter, the particular behind.
        names.append(re.sub(r"^/[a-z]/", "", name.strip()).replace("/", " "))
    return tuple(names)
