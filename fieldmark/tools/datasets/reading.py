"""Reads a test set: a published one by name, a folder, a list, a split file, shards, or hf:NAME:SPLIT."""

from dataclasses import replace
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.tools.books.files import clipped, read_json
from fieldmark.tools.datasets.checks import checked
from fieldmark.tools.datasets.class_names import standard_classes, standard_templates
from fieldmark.tools.datasets.coop import is_split, read_split_file, split_listing
from fieldmark.tools.datasets.data_set import DataSet, assembled
from fieldmark.tools.datasets.domain import Domain, published_dataset, read_domain
from fieldmark.tools.datasets.huggingface import PREFIX, read_rowset
from fieldmark.tools.datasets.labelled import Rows, class_folders, read_rows
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
from fieldmark.tools.datasets.shards import is_shard_folder, read_shards
from fieldmark.tools.datasets.tables import read_table
from fieldmark.tools.datasets.text_lists import read_bird_lists, read_lists
from fieldmark.tools.datasets.torchvision_sets import read_torchvision
from fieldmark.tools.datasets.unpacked import PictureFolder, open_picture_folder
from fieldmark.tools.images.given_paths import is_there


def read_test_set(
    source: str | Path,
    *,
    shots: int = 0,
    seed: int = 1,
    root: Path | None = None,
    images: Path | None = None,
    domain: Domain | str | None = None,
    cache: Path | None = None,
    part: bool = False,
) -> DataSet:
    """Read a test set, and draw the few training images of each class.

    Args:
        source: The name of a published set (with `root`); a folder with one folder a class, or with `train/`
            and `test/`; a CSV or JSONL list; a split file; a folder of CLIP_benchmark's shards; or
            `hf:NAME:SPLIT`.
        shots: Training images a class. From splits of the data's own they are drawn as CoOp does, otherwise
            by Fieldmark's own rule, and then all other images are for testing.
        seed: Decides which.
        root: The folder that published sets lie in, by their usual names; gives `source` its meaning as a
            name.
        images: Where the paths in a list or a split file start; the file's own folder where not given.
        domain: The published set that a folder, list or shards are to be, or the path of a JSON file that
            describes it; its classes, their order and its counts are checked.
        cache: Where pictures that lie in archives are unpacked to, once.
        part: Whether a part of the published set is meant; what is missing is noted then.

    Returns:
        The images, with templates where the data or the published set have some.

    Raises:
        InputError: It is not there, cannot be read, or is not what it should be.
        CacheError: The cache folder cannot be used.
    """
    if shots < 0:
        raise InputError(f"{shots} training images a class are not possible.", hint="Give 0 or more.")
    if isinstance(domain, str) and domain.casefold().endswith(".json"):
        domain = read_domain(Path(domain))
    text = str(source)
    if not text.strip():
        raise InputError(
            "The name of the test set is blank.", hint="Name a folder, a list or a published set."
        )
    pictures = open_picture_folder(cache) if cache is not None else None
    if root is not None and not text.startswith(PREFIX):
        return _by_name(text, root, domain, shots=shots, seed=seed, pictures=pictures, part=part)
    known = published_dataset(domain) if isinstance(domain, str) else domain
    listing = _listing(text, images=images, known=known, train=shots > 0, pictures=pictures)
    if known is not None:
        listing = checked(listing, known, split=None, part=part)
    made = assembled(listing, shots=shots, seed=seed, part=part, pictures=pictures)
    return _with_domain(made, known, "")


def check_source(source: str, root: Path | None = None) -> None:
    """Refuse what `read_test_set` would find nothing at; nothing is read.

    Raises:
        InputError: There is no such file, folder or published set, or no such root folder.
    """
    if source.startswith(PREFIX):
        return
    if root is not None and not root.is_dir():
        raise InputError(f"There is no folder {str(root)!r}.", hint=where_to_put(published_dataset(source)))
    if root is None and not is_there(source):
        raise _nothing_there(source)


def _by_name(
    name: str,
    root: Path,
    domain: Domain | str | None,
    *,
    shots: int,
    seed: int,
    pictures: PictureFolder | None,
    part: bool,
) -> DataSet:
    known = domain if isinstance(domain, Domain) else published_dataset(name)
    if isinstance(domain, str) and published_dataset(domain) is not known:
        raise InputError(f"{name!r} and {domain!r} are two data sets.", hint="Name the set once.")
    if not root.is_dir():
        raise InputError(f"There is no folder {str(root)!r}.", hint=where_to_put(known))
    layout = find_layout(known, root)
    listing = read_published(known, layout, root, train=shots > 0, pictures=pictures)
    listing = checked(listing, known, split=layout.split, part=part)
    made = assembled(listing, shots=shots, seed=seed, part=part, pictures=pictures)
    if layout.split != known.splits[0].name:
        usual = known.splits[0]
        made = replace(
            made,
            notes=(
                f"This is the split {layout.split!r} of {known.title}, with {len(made.test):,} test images; "
                f"the usual one is {usual.name!r}, with {usual.test:,}.",
                *made.notes,
            ),
        )
    return _with_domain(made, known, layout.split)


def _listing(
    source: str, *, images: Path | None, known: Domain | None, train: bool, pictures: PictureFolder | None
) -> Listing:
    path = Path(source)
    if not source.startswith(PREFIX) and not is_there(path):
        raise _nothing_there(source)
    if source.startswith(PREFIX) or is_shard_folder(path):
        if pictures is None:
            raise InputError(
                f"The pictures of {source!r} have to be unpacked.", hint="Say where to with a cache folder."
            )
        if not source.startswith(PREFIX):
            return read_shards(path, pictures, train=train)
        classes = standard_classes(known) if known is not None else ()
        return read_rowset(source, pictures, train=train, classes=classes)
    if path.suffix == ".json" and path.is_file():
        value = read_json(path, what="The split file")
        if is_split(value):
            return split_listing(value, path, images or path.parent)
    rows, notes = read_rows(path, images=images, named=known is not None)
    return Listing(rows=rows, classes=first_seen(rows), source=repr(source), fixed=False, notes=notes)


def _nothing_there(source: str) -> InputError:
    try:
        known = published_dataset(source)
    except InputError as error:
        return InputError(
            f"There is no folder or file {clipped(source)!r}, and no data set of that name.", hint=error.hint
        )
    return InputError(
        f"{source!r} is the name of a data set, but where it lies was not said.",
        hint=f"Give the root folder. {where_to_put(known)}",
    )


def _with_domain(made: DataSet, known: Domain | None, split: str) -> DataSet:
    if known is None:
        return made
    return replace(made, domain=known, split=split, templates=made.templates or standard_templates(known))


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
