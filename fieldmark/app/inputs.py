"""Reads and checks what a user gives: class names, prompt books, images.

It knows nothing of models, runs or settings.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from fieldmark.cache.keys import content_key
from fieldmark.errors import ClassNamesError
from fieldmark.tools.book_files import read_book as read_book
from fieldmark.tools.images import Found

MOST_CLASSES = 10_000


def check_classes(names: Sequence[str]) -> tuple[str, ...]:
    """Class names as given, checked.

    Raises:
        ClassNamesError: Fewer than two, more than `MOST_CLASSES`, a blank or a repeated name.
    """
    if len(names) < 2:
        raise ClassNamesError(
            f"{len(names)} class name{'s' * (len(names) != 1)} given; telling apart takes at least two.",
            hint="Give them as --classes 'a,b,c' or as a file with one name a line.",
        )
    if len(names) > MOST_CLASSES:
        raise ClassNamesError(f"{len(names)} class names; at most {MOST_CLASSES} work.")
    if any(not name.strip() for name in names):
        raise ClassNamesError("A class name is blank.", hint="Remove the empty entry.")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ClassNamesError(f"The class {name!r} is listed twice.", hint="Remove one of them.")
        seen.add(name)
    return tuple(names)


def images_hash(found: Found) -> str:
    """One hash over the usable images' contents, in order."""
    return content_key([image.content_hash for image in found.images])


def read_class_names(text: str) -> list[str]:
    """Class names from a file with one name a line, or from a comma-separated list.

    Raises:
        ClassNamesError: The file cannot be read.
    """
    path = Path(text)
    is_file = len(text) < 1024 and "\n" not in text and path.is_file()
    if is_file:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ClassNamesError(f"Class names cannot be read from {text!r}: {error}.") from error
        return [line.strip() for line in lines if line.strip()]
    if re.search(r"[\\/]|\.txt$", text) and "," not in text:
        raise ClassNamesError(f"There is no file {text!r} with class names.")
    return [name.strip() for name in text.split(",")]
