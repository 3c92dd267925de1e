"""Finds a published set under a root folder, by its usual folder names, and lists its images."""

from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.tools.datasets.coop import read_split_file
from fieldmark.tools.datasets.domain import Domain
from fieldmark.tools.datasets.labelled import Rows, class_folders
from fieldmark.tools.datasets.layouts import (
    BirdLists,
    ClassFolders,
    CsvLayout,
    Layout,
    Lists,
    SplitFile,
    TorchvisionSet,
)
from fieldmark.tools.datasets.listing import Listing, first_seen
from fieldmark.tools.datasets.shards import read_shards
from fieldmark.tools.datasets.tables import read_table
from fieldmark.tools.datasets.text_lists import read_bird_lists, read_lists
from fieldmark.tools.datasets.torchvision_sets import read_torchvision
from fieldmark.tools.datasets.unpacked import PictureFolder


def find_layout(domain: Domain, root: Path) -> Layout:
    """The first of a set's layouts that is there.

    Raises:
        InputError: None is; the hint says where to put the files.
    """
    for layout in domain.layouts:
        if (root / layout.folder / layout.marker).exists():
            return layout
    raise InputError(f"{domain.title} is not under {str(root)!r}.", hint=where_to_put(domain))


def where_to_put(domain: Domain) -> str:
    """Where a set's files go, in one sentence."""
    if not domain.layouts:
        return f"{domain.title} has no usual folder: name its own folder, list or shards."
    return "Put there " + "; or ".join(layout.stated for layout in domain.layouts) + "."


def read_published(
    domain: Domain, layout: Layout, root: Path, *, train: bool, pictures: PictureFolder | None
) -> Listing:
    """List the images of a published set.

    Args:
        domain: The set.
        layout: The layout that was found.
        root: Where its folder is.
        train: Whether training images are wanted, too; long lists of them are not read otherwise.
        pictures: Where pictures of shards go.

    Raises:
        InputError: Something is missing or not understood.
    """
    if isinstance(layout, SplitFile):
        folder = root / layout.folder
        return read_split_file(folder / layout.file, folder / layout.images)
    if isinstance(layout, ClassFolders):
        return _class_folders(layout, root, train=train)
    if isinstance(layout, TorchvisionSet):
        return read_torchvision(layout, root, train=train)
    if isinstance(layout, Lists):
        return read_lists(layout, root, train=train)
    if isinstance(layout, BirdLists):
        return read_bird_lists(layout, root)
    if isinstance(layout, CsvLayout):
        return read_table(layout, root)
    if pictures is None:
        raise InputError(
            f"{domain.title} lies in shards, whose pictures have to be unpacked.",
            hint="Say where to with a cache folder.",
        )
    return read_shards(root / layout.folder, pictures, train=train)


def _class_folders(layout: ClassFolders, root: Path, *, train: bool) -> Listing:
    folder = root / layout.folder
    rows: Rows = {}
    for split, name in (("train", layout.train), ("val", layout.val), ("test", layout.test)):
        # ImageNet's million training files are walked through only if some of them are to be drawn.
        if name is not None and (train or split == "test"):
            rows[split] = class_folders(folder / name)
    return Listing(rows=rows, classes=tuple(sorted(first_seen(rows))), source=repr(str(folder)))
