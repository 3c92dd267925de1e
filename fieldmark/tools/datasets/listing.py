"""The images that a data set lists, before any is opened: paths with classes, by split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fieldmark.errors import ClassNamesError, InputError
from fieldmark.records.names import one_name
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.images.given_paths import spelled_as_there


@dataclass(frozen=True)
class Listing:
    """The images of a data set; class names are folded into one spelling, whatever they were read from.

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

    def __post_init__(self) -> None:
        given = {label for pairs in self.rows.values() for _, label in pairs}.union(self.classes)
        folded = {name: one_name(name) for name in given}
        if any(name != other for name, other in folded.items()):
            rows = {s: [(path, folded[label]) for path, label in pairs] for s, pairs in self.rows.items()}
            object.__setattr__(self, "rows", rows)
            object.__setattr__(self, "classes", tuple(folded[name] for name in self.classes))
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ClassNamesError(f"{self.source} has the class {twice!r} twice, in two spellings.")


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
    return spelled_as_there(folder / path)


def first_seen(rows: Rows) -> tuple[str, ...]:
    """The classes in the order in which they are first listed."""
    return tuple(dict.fromkeys(label for pairs in rows.values() for _, label in pairs))
