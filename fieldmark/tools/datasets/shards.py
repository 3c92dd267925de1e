"""Reads tar shards in CLIP_benchmark's layout: pictures, labels by number, class names and templates.

Nothing in an archive chooses where a file is written: pictures are kept by content. Source: LAION's
CLIP_benchmark, `webdataset_builder.py`.
"""

import tarfile
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath

from fieldmark.errors import InputError
from fieldmark.reading import check_regular
from fieldmark.records.names import one_name
from fieldmark.tools.books.files import clipped, refuse
from fieldmark.tools.datasets.class_names import distinct_names
from fieldmark.tools.datasets.labelled import Rows, few
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.text_lists import text_lines
from fieldmark.tools.datasets.unpacked import Kept, PictureFolder

CLASS_NAMES, TEMPLATES, KIND = "classnames.txt", "zeroshot_classification_templates.txt", "dataset_type.txt"
MOST_BYTES = 256 * 1024 * 1024
"""A larger member is no picture."""
_IMAGES = ("jpg", "jpeg", "png", "webp")
_LABEL = "cls"
_MOST_LABEL_BYTES = 64


def is_shard_folder(path: Path) -> bool:
    """Whether a folder has such shards for testing."""
    return any((path / "test").glob("[!.]*.tar")) or (path / "test" / "nshards.txt").is_file()


def read_shards(path: Path, pictures: PictureFolder, *, train: bool) -> Listing:
    """Read a folder of shards; what was unpacked before is not unpacked again.

    Args:
        path: The folder, with `classnames.txt`, `test/nshards.txt`, `test/0.tar` and so on.
        pictures: Where the pictures go.
        train: Whether `train/` is wanted, too.

    Raises:
        InputError: It is no such folder, or a shard is missing, damaged, or has members that do not fit.
        CacheError: Pictures cannot be written.
    """
    kind = "".join(text_lines(path / KIND)).lower() if (path / KIND).is_file() else "classification"
    if kind != "classification":
        refuse(path, f"is a set for {clipped(kind)}", hint="Only sets with one class an image can be read.")
    given = _class_names(path / CLASS_NAMES)
    classes = distinct_names(given)
    renamed = [name for name, before in zip(classes, given, strict=True) if name != before]
    rows: Rows = {}
    for split in ("train", "test") if train else ("test",):
        if split == "train" and not (path / split).is_dir():
            continue
        pairs = rows.setdefault(split, [])
        for shard in _shards(path / split):
            for kept in _unpacked(shard, pictures):
                if not 0 <= kept.label < len(classes):
                    refuse(
                        shard,
                        f"has the label {kept.label} for {clipped(kept.key)!r}, but {CLASS_NAMES} has "
                        f"{len(classes)} classes, from 0",
                        hint="Labels and class names do not belong together.",
                    )
                pairs.append((pictures.path / kept.name, classes[kept.label]))
    return Listing(
        rows=rows,
        classes=classes,
        source=repr(str(path / CLASS_NAMES)),
        ordered=True,
        own_names=not renamed,
        templates=_templates(path / TEMPLATES),
        notes=(f"Class names that stand there twice, with their number: {few(renamed)}.",) if renamed else (),
    )


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise InputError(
            f"{str(path.parent)!r} has no {CLASS_NAMES}: its labels are numbers without a meaning.",
            hint="Put the file beside test/, with one class name a line in the order of the labels.",
        )
    names = tuple(map(one_name, text_lines(path)))
    if not names:
        refuse(path, "names no class")
    return names


def _templates(path: Path) -> tuple[str, ...]:
    """The templates beside the classes, whose hole is written `{c}`; a set may have none."""
    if not path.is_file():
        return ()
    lines = text_lines(path)
    for line in lines:
        if line.count("{c}") != 1:
            refuse(path, f"has the template {clipped(line)!r}, which needs one {{c}} for the class name")
    return tuple(line.replace("{c}", "{}") for line in lines)


def _shards(folder: Path) -> tuple[Path, ...]:
    counted = "".join(text_lines(folder / "nshards.txt"))
    if not (counted.isascii() and counted.isdecimal() and len(counted) < 7):
        refuse(folder / "nshards.txt", f"holds {clipped(counted)!r}, not the number of shards")
    shards = tuple(folder / f"{number}.tar" for number in range(int(counted)))
    if not shards:
        refuse(folder / "nshards.txt", "says that there is no shard")
    for shard in shards:
        if not shard.is_file():
            raise InputError(
                f"The shard {str(shard)!r} is missing; nshards.txt says that there are {len(shards)}.",
                hint="Fetch it again, or correct nshards.txt.",
            )
    return shards


def _unpacked(shard: Path, pictures: PictureFolder) -> tuple[Kept, ...]:
    status = shard.stat()
    source = {"shard": str(shard.resolve()), "size": status.st_size, "changed": status.st_mtime_ns}
    known = pictures.known(source)
    if known is not None:
        return known
    kept = tuple(
        pictures.keep(key, data, suffix=suffix, label=label) for key, data, suffix, label in _samples(shard)
    )
    pictures.remember(source, kept)
    return kept


def _samples(shard: Path) -> Iterator[tuple[str, bytes, str, int]]:
    """Key, picture, suffix and label of each sample; the parts of a sample stand one after the other."""
    try:
        check_regular(shard)
        with tarfile.open(shard, "r:") as archive:
            current: str | None = None
            done: set[str] = set()
            parts: dict[str, bytes] = {}
            # What macOS puts beside each file, "._0001.jpg", is no member.
            members = [each for each in archive if not (each.isdir() or _is_hidden(each.name))]
            labelled = {_path(shard, each) for each in members if each.name.lower().endswith(f".{_LABEL}")}
            for member in members:
                key, suffix = _key(shard, member, labelled)
                if key != current:
                    if current is not None:
                        yield _sample(shard, current, parts)
                        done.add(current)
                    if key in done:
                        refuse(shard, f"has {clipped(key)!r} twice, or in two places")
                    current, parts = key, {}
                if suffix in parts:
                    refuse(shard, f"has {clipped(member.name)!r} twice")
                if suffix in _IMAGES or suffix == _LABEL:
                    parts[suffix] = _content(archive, shard, member, label=suffix == _LABEL)
            if current is not None:
                yield _sample(shard, current, parts)
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"The shard {str(shard)!r} is damaged or no tar file: {error}.", hint="Fetch it again."
        ) from error


def _is_hidden(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name.startswith("._") or "__MACOSX" in path.parts


def _path(shard: Path, member: tarfile.TarInfo) -> str:
    """A member's place without its last suffix.

    Raises:
        InputError: It leads out of the archive, or cannot be written.
    """
    path = _inside(shard, member)
    return str(path.parent / path.name.rpartition(".")[0])


def _key(shard: Path, member: tarfile.TarInfo, labelled: Set[str]) -> tuple[str, str]:
    """A member's sample and the kind of its part.

    The file name is cut at its first dot, as WebDataset does; but where there is a label "IMG.001.cls", that
    is the label of "IMG.001.jpg".

    Args:
        shard: The archive.
        member: The member.
        labelled: The labels' places in the archive, without ".cls".

    Raises:
        InputError: It leads out of the archive, cannot be written, or is no plain file.
    """
    path = _inside(shard, member)
    if not member.isreg() or member.issparse():
        refuse(shard, f"has the member {clipped(member.name)!r}, which is a link or no plain file")
    names = path.name.split(".")
    for cut in range(len(names) - 1, 1, -1):
        key = str(path.parent / ".".join(names[:cut]))
        if key in labelled:
            return key, ".".join(names[cut:]).lower()
    return str(path.parent / names[0]), ".".join(names[1:]).lower()


def _inside(shard: Path, member: tarfile.TarInfo) -> PurePosixPath:
    name = member.name.replace("\\", "/")
    if not name.isprintable():  # among others, bytes that are no UTF-8
        refuse(shard, f"has a member with the name {clipped(ascii(member.name))}, which cannot be written")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        refuse(shard, f"has a member named {clipped(member.name)!r}, which leads out of the archive")
    return path


def _content(archive: tarfile.TarFile, shard: Path, member: tarfile.TarInfo, *, label: bool) -> bytes:
    if member.size > (_MOST_LABEL_BYTES if label else MOST_BYTES):
        refuse(shard, f"has the member {clipped(member.name)!r} of {member.size:,} bytes")
    file = archive.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        refuse(shard, f"ends within {clipped(member.name)!r}", hint="Fetch it again.")
    return data


def _sample(shard: Path, key: str, parts: dict[str, bytes]) -> tuple[str, bytes, str, int]:
    pictured = [suffix for suffix in parts if suffix in _IMAGES]
    if len(pictured) != 1 or _LABEL not in parts:
        what = "no label" if _LABEL not in parts else f"{len(pictured)} pictures"
        refuse(
            shard, f"has {what} for {clipped(key)!r}", hint="A sample is KEY.jpg, .png or .webp and KEY.cls."
        )
    text = parts[_LABEL].strip()
    if not (text.isdigit() and len(text) < 10):
        refuse(shard, f"has the label {clipped(repr(text))} for {clipped(key)!r}, not a number from 0")
    return key, parts[pictured[0]], pictured[0], int(text)
