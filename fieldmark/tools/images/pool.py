"""Cuts a pool of images into shards: files, folders, lists, tar archives, Parquet tables, addresses."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fieldmark.errors import InputError, NoImagesError
from fieldmark.reading import is_address, read_text
from fieldmark.records.predictions import passed_over_in_words
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.files import image_files
from fieldmark.tools.images.pool_shard import PoolShard, cannot_open, lost, opened
from fieldmark.tools.parquet import arrow

SHARD_IMAGES = 1024
"""Files of a shard; an archive, and a row group of a table, is a shard of its own."""
_TAR, _TABLE, _LIST = (".tar", ".tar.gz", ".tgz"), (".parquet",), (".txt", ".lst")
_IMAGE_COLUMNS = ("image", "img", "picture", "jpg", "png", "bytes")


def find_shards(
    places: Sequence[str],
    *,
    column: str | None = None,
    shard_images: int = SHARD_IMAGES,
    passed_over: Counter[str] | None = None,
) -> tuple[PoolShard, ...]:
    """The shards of a pool, in an order that is the same each time. No picture is opened.

    A folder stands for what is in it, and in folders within it. A list is a text file with one path or
    address a line. An address may have `*` in its last parts, as in `s3://bucket/train-*.tar`.

    Args:
        places: Files, folders, lists, archives, tables; addresses of them that fsspec opens.
        column: The column of images, of Parquet; else one that is called or typed like it.
        shard_images: Image files of a shard.
        passed_over: Counts files in folders whose suffix is no image's, by suffix.

    Raises:
        NoImagesError: There is no image among them.
        InputError: A place cannot be opened; a table has no such column.
    """
    if shard_images < 1:
        raise InputError(
            f"{shard_images} images of a shard are none.", hint="Give 1 or more.", field="shard_images"
        )
    passed_over = Counter[str]() if passed_over is None else passed_over
    files, shards = list[tuple[str, str]](), list[PoolShard]()
    for place, version in _all(places, passed_over):
        if place.lower().endswith(_TAR):
            shards.append(PoolShard(kind="tar", places=(place,), versions=(version,)))
        elif place.lower().endswith(_TABLE):
            shards += _groups(place, version, column)
        else:
            files.append((place, version))
    for start in range(0, len(files), shard_images):
        part = files[start : start + shard_images]
        shards.append(PoolShard(places=tuple(p for p, _ in part), versions=tuple(v for _, v in part)))
    if not shards:
        named = ", ".join(repr(each) for each in places[:3]) + (", …" if len(places) > 3 else "")
        others = passed_over_in_words(passed_over)
        raise NoImagesError(
            f"There are no images in {named or 'an empty pool'}. {others}".rstrip(),
            hint="Name images, folders, lists (.txt), archives (.tar), tables (.parquet), or addresses.",
        )
    return tuple(shards)


def _all(
    places: Sequence[str], passed_over: Counter[str], *, listed: bool = False
) -> Iterator[tuple[str, str]]:
    """Every file, with what tells that it has changed; a list is read, a folder is walked."""
    for place in places:
        if is_address(place):
            yield from _far(place, passed_over, listed=listed)
        elif (path := Path(place)).is_dir():
            held, others = image_files(path, also=(*_TAR, *_TABLE))
            passed_over.update(others)
            for each in held:
                yield str(each.absolute()), _version(each)
        elif place.lower().endswith(_LIST):
            yield from _all(_lines(path), passed_over, listed=True)
        elif listed or path.exists():  # one that a list names is skipped by name where it is gone
            yield str(path.absolute()), _version(path)
        else:
            raise NoImagesError(f"{place!r} does not exist.", hint="Name image files and folders.")


def _lines(path: Path) -> list[str]:
    """The places that a list names; a path that is relative starts at the list."""
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_open(str(path), error) from error
    named = [line for line in lines if line and not line.startswith("#")]
    if any(each.lower().endswith(_LIST) for each in named):
        raise InputError(f"The list {str(path)!r} names a list.", hint="Name images in it.")
    return [each if is_address(each) else str(path.parent / each) for each in named]


def _version(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # whoever reads it says why it cannot be
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _far(place: str, passed_over: Counter[str], *, listed: bool) -> Iterator[tuple[str, str]]:
    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(place)
        if "*" in path:
            held: dict[str, Any] = files.glob(path, detail=True)
        elif files.isdir(path):
            held = files.find(path, detail=True)
        else:
            held = {path: files.info(path)}
    except Exception as error:  # each kind of address raises what it likes
        if listed and isinstance(error, FileNotFoundError):
            yield place, ""  # as with a path
            return
        raise cannot_open(place, error) from error
    wanted = (*image_suffixes(), *_TAR, *_TABLE)
    for each, facts in sorted(held.items()):
        name = PurePosixPath(each).name.lower()
        if facts.get("type") == "directory":
            continue
        if each != path and not name.endswith(wanted):
            passed_over[PurePosixPath(name).suffix] += 1
        else:
            seen = (
                facts.get(key) for key in ("ETag", "etag", "mtime", "LastModified", "last_modified", "oid")
            )
            stamp = next((str(value) for value in seen if value), "")
            yield files.unstrip_protocol(each), f"{facts.get('size')} {stamp}"


def _groups(place: str, version: str, column: str | None) -> Iterator[PoolShard]:
    name, groups = "", 1
    try:
        with opened(place) as file:
            table = arrow("pyarrow.parquet").ParquetFile(file)
            name, groups = _column(place, table.schema_arrow, column), table.metadata.num_row_groups
    except Exception as error:  # pyarrow has a class of its own for each kind of damage
        lost(place, error)  # raises what may be mended; else whoever reads the shard says why it cannot be
    for group in range(groups):
        yield PoolShard(kind="parquet", places=(place,), versions=(version,), column=name, group=group)


def _column(place: str, schema: Any, column: str | None) -> str:
    names: list[str] = list(schema.names)
    if column is not None:
        if column in names:
            return column
        raise InputError(
            f"{place!r} has no column {column!r}.", hint=f"There are: {', '.join(names)}.", field="column"
        )
    likely = [name for name in _IMAGE_COLUMNS if name in names]
    likely += [name for name in names if str(schema.field(name).type) in ("binary", "large_binary")]
    if likely:
        return likely[0]
    raise InputError(
        f"{place!r} has no column of images.", hint=f"Name it. There are: {', '.join(names)}.", field="column"
    )
