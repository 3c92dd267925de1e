"""The images that a data set lists, before any is opened: paths with classes, by split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fieldmark.errors import InputError
from fieldmark.tools.datasets.labelled import Rows


@dataclass(frozen=True)
class Listing:
    """The images of a data set.

    Attributes:
        rows: Image paths with their class, by split, in the order of the data.
        classes: The classes, in the order of the data.
        ordered: Whether that order means something, because the data has labels by number.
        fixed: Whether the splits are the data's own: then every test image counts, and training images never
            stand in for test images.
        own_names: Whether prompts are to have the class names as they stand here ("_" becoming a blank), and
            not the standard ones.
        groups: The group of an image, where groups are told apart.
        templates: Templates that came with the data, with `{}` for the class name.
        source: Where it was read, for messages.
        notes: What a reader must know of it.
    """

    rows: Rows
    classes: tuple[str, ...]
    source: str
    ordered: bool = False
    fixed: bool = True
    own_names: bool = False
    groups: Mapping[Path, str] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def inside(folder: Path, name: str, *, source: str) -> Path:
    """The path of a file that a list of a published set names, which must lie in its folder.

    Args:
        folder: The folder.
        name: The name in the list, with "/" between its parts.
        source: The list, for the message.

    Raises:
        InputError: It leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or parts[0].endswith(":") or "\0" in name:
        raise InputError(
            f"{source} names the image {name!r}, which lies outside of {str(folder)!r}.",
            hint="Lists of published sets name files inside their folder; is it the right file?",
        )
    return folder / path


def first_seen(rows: Rows) -> tuple[str, ...]:
    """The classes in the order in which they are first listed."""
    return tuple(dict.fromkeys(label for pairs in rows.values() for _, label in pairs))
