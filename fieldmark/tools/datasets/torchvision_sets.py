"""Lists the images of published sets through torchvision's own readers; nothing is downloaded or decoded."""

import re
from pathlib import Path
from typing import Any

from fieldmark.errors import InputError
from fieldmark.tools.books.files import clipped
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.datasets.layouts import TorchvisionSet
from fieldmark.tools.datasets.listing import Listing, inside


def read_torchvision(layout: TorchvisionSet, root: Path, *, train: bool) -> Listing:
    """List the images of a set that `torchvision.datasets` has a class for.

    Raises:
        InputError: torchvision cannot read the files that come with the set, or they name images outside of
            its folder.
    """
    from torchvision import datasets  # takes a second, and no other layout needs it

    folder = root / layout.folder
    source = repr(str(folder / layout.marker))
    numbered: dict[int, str] = {}
    rows: Rows = {}
    for split, name in layout.splits.items():
        if split != "test" and not train:
            continue
        arguments: dict[str, Any] = {"split": name, "download": False, "loader": str, **layout.options}
        try:
            found = getattr(datasets, layout.name)(root / layout.root, **arguments)
            images = [found[place] for place in range(len(found))]
            names = {number: _plain(name) for name, number in found.class_to_idx.items()}
            labels = [names[number] for _, number in images]
        except (RuntimeError, OSError, LookupError, ValueError, AttributeError, TypeError) as error:
            raise InputError(
                f"torchvision cannot read the {split} images listed beside {source}: "
                f"{clipped(f'{type(error).__name__}: {error}')}.",
                hint="Restore the files that come with the set, unchanged: some are compared with checksums.",
            ) from error
        numbered |= names
        rows[split] = [
            (inside(folder / layout.images, _below(path, folder / layout.images), source=source), label)
            for (path, _), label in zip(images, labels, strict=True)
        ]
    classes = tuple(dict.fromkeys(numbered[number] for number in sorted(numbered)))
    return Listing(rows=rows, classes=classes, source=source)


def _below(path: str, folder: Path) -> str:
    """The path relative to the folder; where it lies elsewhere the absolute path, which is refused later."""
    found = Path(path)
    return (found.relative_to(folder) if found.is_relative_to(folder) else found.absolute()).as_posix()


def _plain(name: str) -> str:
    """Places365 writes "/a/arrival_gate/outdoor": the first letter, the place, the kind of it."""
    return re.sub(r"^/[a-z]/", "", name).replace("/", " ") if name.startswith("/") else name
