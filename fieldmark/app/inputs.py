"""Reads and checks what a user gives: class names, prompt books, images."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fieldmark.cache.keys import content_key
from fieldmark.errors import ClassNamesError, NoImagesError
from fieldmark.reading import read_text
from fieldmark.records.names import one_name, plain_name
from fieldmark.tools.books.files import read_book as read_book
from fieldmark.tools.images.files import FoundImages, Given, ImageFile, find_images, given_list
from fieldmark.tools.images.given_paths import as_text, is_there
from fieldmark.tools.runs.csv_table import as_cell

MOST_CLASSES = 10_000

Images = Iterable[Given] | Given
"""Images as a user gives them: files, folders, PIL images, arrays uint8 `[H, W, 3]`, or any mix in a list."""


def check_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Class names as given, folded into one spelling (`one_name`) and checked.

    Raises:
        ClassNamesError: One text instead of names, a name that is no text, fewer than two, more than
            `MOST_CLASSES`, a blank or a repeated name, one name in two spellings (case, spaces, underscores).
    """
    if isinstance(names, str | bytes):
        raise ClassNamesError(
            "The class names are one text, not a list of names.", hint='Give a list: classes=["a", "b"].'
        )
    if isinstance(names, set | frozenset):
        raise ClassNamesError(
            "The class names are a set, whose order changes.", hint='Give a list: classes=["a", "b"].'
        )
    if not isinstance(names, Iterable):
        raise ClassNamesError(
            f"The class names are no list but {names!r}.", hint='Give a list: classes=["a", "b"].'
        )
    names = tuple(names)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise ClassNamesError(
            f"A class name is no text but {wrong[0]!r} ({type(wrong[0]).__name__}).",
            hint='Give a list of texts: classes=["a", "b"].',
        )
    given, names = names, tuple(map(one_name, names))
    if len(names) < 2:
        raise ClassNamesError(
            f"{len(names)} class name{'s' * (len(names) != 1)} given; telling apart takes at least two.",
            hint="Give their names.",
            field="classes",
        )
    if len(names) > MOST_CLASSES:
        raise ClassNamesError(f"{len(names)} class names; at most {MOST_CLASSES} work.")
    if not all(names):
        raise ClassNamesError("A class name is blank.", hint="Remove the empty entry.")
    seen: dict[str, str] = {}
    for name in given:
        spelling = plain_name(name)
        if spelling in seen:
            other = seen[spelling]
            raise ClassNamesError(
                f"The class {name!r} is listed twice."
                if other == name
                else f"The classes {other!r} and {name!r} are one name in two spellings.",
                hint="Remove one of them.",
            )
        seen[spelling] = name
    return names


def find_given(images: Images, *, labelled: bool = False) -> FoundImages:
    """The images that were given, with their folders' names as labels where asked for.

    Raises:
        NoImagesError: There is no usable one, or nothing is there at all.
        InputError: Something is neither a path nor an image.
    """
    given = given_list(images)
    check_images_there(given)
    return find_images(given, labels_from_folders=labelled)


def check_images_there(given: Sequence[Given]) -> None:
    """Refuse paths of which not one is there; one that is missing beside others is skipped later.

    Raises:
        NoImagesError: Not one is there.
    """
    paths = [each for each in given if isinstance(each, str | Path)]
    if paths and len(paths) == len(given) and not any(is_there(path) for path in paths):
        named = ", ".join(repr(str(path)) for path in given[:3]) + (", …" if len(given) > 3 else "")
        raise NoImagesError(
            f"{named} {'does' if len(given) == 1 else 'do'} not exist.", hint="Name image files and folders."
        )


def names_of(found: FoundImages) -> tuple[str, ...]:
    """The names of all inputs, usable or not, in the order given."""
    return tuple(str(each.path) for each in found.inputs)


def names_given(images: Images) -> list[str]:
    """What was given, each by its path, or by its place where it is in memory."""
    return [
        as_text(each) if isinstance(each, str | Path) else f"images[{at}]"
        for at, each in enumerate(given_list(images))
    ]


def images_by_name(images: Sequence[ImageFile]) -> dict[str, ImageFile]:
    """The images by file name where only one has it, and by path."""
    counts = Counter(Path(image.path).name for image in images)
    only = {Path(image.path).name: image for image in images if counts[Path(image.path).name] == 1}
    paths = {str(Path(image.path).absolute()): image for image in images}
    return {**only, **paths, **{as_cell(str(i.path)): i for i in images}, **{str(i.path): i for i in images}}


def named(name: str, images: Mapping[str, ImageFile]) -> ImageFile | None:
    """The image of that name, or path from here."""
    return images.get(name) or images.get(str(Path(name).absolute()))


def images_hash(images: Sequence[ImageFile]) -> str:
    """One hash over images' contents, in order, and their labels where they have any."""
    labelled = any(image.label is not None for image in images)
    return content_key([[i.content_hash, i.label] if labelled else i.content_hash for i in images])


def read_class_names(text: str) -> list[str]:
    """Class names from a file with one name a line, or from a comma-separated list.

    Lines of a file that are blank, or a comment ("# …"), are passed over.

    Raises:
        ClassNamesError: The file cannot be read, or it is a folder.
    """
    path = Path(text)
    is_path = bool(text) and is_there(path)
    if is_path and path.is_dir() and "," not in text:
        inside = path / "classes.txt"
        raise ClassNamesError(
            f"{text!r} is a folder, not a file with class names.",
            hint=f"Give {str(inside)!r}." if inside.is_file() else "Give a file with one name a line.",
        )
    if is_path and path.is_file():
        try:
            # splitlines() would also split at the exotic line ends that a class name may hold.
            lines = read_text(path, encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ClassNamesError(f"Class names cannot be read from {text!r}: {error}.") from error
        # "#1 hit" may be a name; "# of 2026" is none.
        return [name for name in map(str.strip, lines) if name and not (name + " ").startswith("# ")]
    if re.search(r"[\\/]|\.txt$", text) and "," not in text:
        raise ClassNamesError(
            f"There is no file {text!r} with class names.",
            hint="Write one with a name a line, or give the names themselves, separated by commas.",
        )
    return [name.strip() for name in text.split(",")]
