"""Reads what the library `datasets` opens: a set saved to disk, a folder, or one fetched from the hub before.

It fetches nothing: what is not on this machine is an error saying how.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.tools.books.files import clipped
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.unpacked import Kept, PictureFolder
from fieldmark.tools.people import BY, NONE_OF_THESE, by_person, nobody_said

PREFIX = "hf:"
_LABEL_COLUMNS = ("label", "labels", "class", "fine_label")


class Rowset(Protocol):
    """What is used of `datasets.Dataset`, its image columns holding `{"bytes": …, "path": …}`."""

    @property
    def features(self) -> Mapping[str, Any]:
        """Column to what it holds; `ClassLabel` has `names`."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows."""
        ...


OpenSplit: TypeAlias = Callable[[str, str, Path], Rowset]
"""Name, split and a folder for working files to the rows of that split."""


def name_and_split(source: str) -> tuple[str, str]:
    """The two parts of `hf:NAME:SPLIT`; the split is "test" where it is left out.

    Raises:
        InputError: There is no name.
    """
    name, colon, split = source.removeprefix(PREFIX).rpartition(":")
    if not colon:
        name, split = split, "test"
    if not name or not split:
        raise InputError(f"{source!r} names no data set.", hint="Write hf:NAME:SPLIT, or hf:FOLDER:SPLIT.")
    return name, split


def read_rowset(
    source: str,
    pictures: PictureFolder,
    *,
    train: bool,
    classes: tuple[str, ...] = (),
    open_split: OpenSplit | None = None,
) -> Listing:
    """Read one split for testing, and the split "train" if it is wanted.

    Args:
        source: `hf:NAME:SPLIT`: a folder, or a name on the hub.
        pictures: Where the pictures go.
        train: Whether training images are wanted, too.
        classes: The standard class names, for data with bare numbers as labels, and to tell label columns
            apart.
        open_split: Opens a split; the library itself where not given.

    Raises:
        InputError: The library or the data are not there, or have no images with one class each.
        CacheError: Pictures cannot be written.
    """
    name, split = name_and_split(source)
    opener = open_split or open_with_datasets
    rows: Rows = {}
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    for part, wanted in (("train", "train"), ("test", split)):
        if part == "train" and not train:
            continue
        rowset = opener(name, wanted, pictures.path / "arrow")
        image, label, found = _columns(source, rowset, classes)
        if names and found != names:
            raise InputError(f"{source!r} has other classes in the split 'train' than in {split!r}.")
        names = found
        kept = _pictures(source, rowset, pictures, image, label, len(names))
        none = (len(names) - 1,) if BY in rowset.features and names[-1] == NONE_OF_THESE else ()
        rows[part] = [
            (pictures.path / each.name, names[each.label]) for each in kept if each.label not in none
        ]
        if BY in rowset.features:
            notes = (
                f"Labels of {source!r} count where a person gave one of a class, as its column `by` says.",
            )
            if not rows[part]:
                raise nobody_said(source)
    if notes and names[-1] == NONE_OF_THESE:
        names = names[:-1]
    return Listing(rows=rows, classes=names, source=repr(source), notes=notes)


def open_with_datasets(name: str, split: str, working: Path) -> Rowset:
    """Open a split with the library `datasets`, from this machine only.

    Args:
        name: A folder that `save_to_disk` wrote, a folder that `load_dataset` reads, or a name on the hub.
        split: Which split.
        working: Where the library may put its own files.

    Raises:
        InputError: The library is missing, the data are not on this machine, or there is no such split.
    """
    datasets = _library()
    path = Path(name)
    saved = any((path / file).is_file() for file in ("dataset_dict.json", "state.json"))
    try:
        if saved:
            found: Any = datasets.load_from_disk(name)
            if isinstance(found, datasets.DatasetDict):
                if split not in found:
                    raise ValueError(f"the split {split!r} is none of {', '.join(found)}")
                found = found[split]
        else:
            folder = path if path.is_dir() else _fetched_before(name)
            found = datasets.load_dataset(str(folder), split=split, cache_dir=str(working))
        for column, feature in found.features.items():
            if isinstance(feature, datasets.Image):
                found = found.cast_column(column, datasets.Image(decode=False))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"hf:{name}:{split} cannot be read: {clipped(str(error), most=300)}") from error
    return found


def _library() -> Any:
    try:
        # By name: the checker of types cannot see an optional library.
        library = import_module("datasets")
    except ImportError:
        library = None
    # Any folder called "datasets" beside the program can be imported, too, and has nothing in it.
    if not hasattr(library, "load_dataset"):
        raise InputError(
            "Data sets of the Hugging Face hub need the library `datasets`.",
            hint="Install it: pip install 'fieldmark[datasets]'",
        )
    return library


def _fetched_before(name: str) -> str:
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name, repo_type="dataset", local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The data set {name!r} is no folder and was not fetched before; nothing is fetched from here.",
            hint=f"Fetch it once: hf download --repo-type dataset {name}",
        ) from error


def _columns(source: str, rowset: Rowset, classes: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """The columns of the image and the label, and the names of the labels."""
    features = rowset.features
    images = [name for name, each in features.items() if type(each).__name__ == "Image"]
    if len(images) != 1:
        raise InputError(f"{source!r} has {len(images)} columns of images ({', '.join(features)}), not one.")
    named = {name: tuple(each.names) for name, each in features.items() if hasattr(each, "names")}
    fitting = [name for name, each in named.items() if len(each) == len(classes)] or list(named)
    fitting = [name for name in _LABEL_COLUMNS if name in fitting] or fitting
    if len(fitting) == 1 or (fitting and fitting[0] == "label"):
        return images[0], fitting[0], named[fitting[0]]
    bare = [name for name in _LABEL_COLUMNS if name in features and name not in named]
    if not fitting and bare and classes:
        return images[0], bare[0], classes
    what = (
        f"several label columns ({', '.join(fitting)})" if fitting else "no column of class labels with names"
    )
    raise InputError(
        f"{source!r} has {what}.",
        hint="Name the published set it is, or keep the column of the classes alone.",
    )


def _pictures(
    source: str, rowset: Rowset, pictures: PictureFolder, image: str, label: str, count: int
) -> tuple[Kept, ...]:
    # The library's fingerprint changes with the content; without one there is nothing to be remembered by.
    fingerprint = getattr(rowset, "_fingerprint", None)
    origin = {"rowset": source, "fingerprint": fingerprint, "image": image, "label": label}
    if BY in rowset.features:
        origin["rows"] = "those of people"
    known = pictures.known(origin) if fingerprint else None
    if known is not None:
        return known
    kept: list[Kept] = []
    for number, row in enumerate(rowset):
        if BY in rowset.features and (row[label] is None or not by_person(row[BY], row.get("confidence"))):
            continue
        value = row[label]
        if type(value) is not int or not 0 <= value < count:
            raise InputError(
                f"{source!r} has in row {number} the label {value!r}; there are {count} classes."
            )
        data, suffix = _bytes(source, number, row[image])
        kept.append(pictures.keep(str(number), data, suffix=suffix, label=value))
    if fingerprint:
        pictures.remember(origin, tuple(kept))
    return tuple(kept)


def _bytes(source: str, number: int, value: Any) -> tuple[bytes, str]:
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, Mapping) else (None, None)
    suffix = Path(path).suffix.lstrip(".") if path else ""
    if isinstance(data, bytes) and data:
        return data, suffix
    if path:
        try:
            return read_bytes(path), suffix
        except OSError as error:
            raise InputError(f"{source!r}: the image of row {number} cannot be read: {error}.") from error
    raise InputError(f"{source!r} has no image in row {number}.")
