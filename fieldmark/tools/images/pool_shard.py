"""Pieces of a pool of images, and how their images are read: files, tar members, Parquet cells, addresses."""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from fieldmark.cache.keys import content_key
from fieldmark.errors import FieldmarkError, InputError
from fieldmark.reading import is_address, open_regular, read_bytes
from fieldmark.records import Record, SkippedInput
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.files import MOST_BYTES
from fieldmark.tools.images.image_file import ImageBytes, ImageFile
from fieldmark.tools.parquet import arrow

_HELD, _AT_A_TIME = 64, 32
"""Files that are held, and addresses that are read, at once: a bucket answers each in many milliseconds, but
many together."""


class PoolShard(Record):
    """Images that are encoded in one piece.

    Attributes:
        kind: "files" holds one image each, "tar" many as members, "parquet" many in the cells of a column.
        places: Paths, or addresses that fsspec opens, such as `s3://bucket/a.jpg`.
        hashes: SHA-256 of each file, where they are known already; else empty.
        versions: What tells that a place has changed: size and time, or what the server says.
        column: The column of images, of Parquet.
        group: Number of the row group, of Parquet.
    """

    kind: Literal["files", "tar", "parquet"] = "files"
    places: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    column: str = ""
    group: int = 0

    @property
    def key(self) -> str:
        """SHA-256 over all of it: another key, other images."""
        return content_key(self.model_dump(mode="json"))


def read_shard(shard: PoolShard) -> Iterator[ImageFile | SkippedInput]:
    """The images of a shard, in order, and what is none, with the reason; nothing is decoded.

    Of an archive or a table that is damaged, what comes before the damage is given.

    Raises:
        InputError: What is far cannot be reached, or a package that it needs is not installed.
    """
    if shard.hashes:
        for place, content_hash in zip(shard.places, shard.hashes, strict=True):
            yield ImageFile(Path(place), content_hash)
        return
    with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="fieldmark-fetching") as pool:
        if shard.kind == "files":
            for start in range(0, len(shard.places), _HELD):
                yield from _read(shard.places[start : start + _HELD], pool)
            return
        place = shard.places[0]
        try:
            yield from _members(place) if shard.kind == "tar" else _cells(shard, pool)
        except Exception as error:  # tarfile, pyarrow and each kind of address raise what they like
            yield lost(place, error)


def opened(place: str) -> IO[bytes]:
    """Open a path or an address for reading; whatever is raised is for `lost`."""
    if not is_address(place):
        return open_regular(place)
    from fsspec.core import url_to_fs

    files, path = url_to_fs(place)
    return files.open(path)  # as bytes


def cannot_open(place: str, error: Exception) -> InputError:
    """The error for a path or an address that cannot be opened."""
    if isinstance(error, ImportError):
        return InputError(f"{place!r} cannot be opened: {error}.", hint="Install what it names.")
    return InputError(
        f"{place!r} cannot be opened: {_in_short(error)}.", hint="Check that it is there and may be read."
    )


def lost(place: str, error: Exception) -> SkippedInput:
    """An archive or a table that is gone, or damaged from some place on.

    Raises:
        InputError: It is the way to it that failed: what is far may be reached another time.
    """
    if isinstance(error, FieldmarkError):
        raise error
    # What pyarrow says of damage is a plain OSError; a connection's are of other classes, or have a number.
    of_the_file = isinstance(
        error, tarfile.TarError | EOFError | ValueError | NotImplementedError | FileNotFoundError
    ) or (type(error) is OSError and error.errno is None)
    if isinstance(error, ImportError) or (is_address(place) and not of_the_file):
        raise cannot_open(place, error) from error
    return SkippedInput(path=place, reason=f"cannot be read to its end ({_in_short(error)})")


def _read(places: Sequence[str], pool: ThreadPoolExecutor) -> Iterator[ImageFile | SkippedInput]:
    far = list(dict.fromkeys(place for place in places if is_address(place)))
    got = dict(zip(far, pool.map(_fetched, far), strict=True))
    for place in places:
        yield _taken(place, got[place] if place in got else _near(place))


def _near(place: str) -> bytes | Exception:
    try:
        return read_bytes(place, most=MOST_BYTES)
    except OSError as error:
        return error


def _fetched(place: str) -> bytes | Exception:
    """The content of one address: none of its letters is taken for a pattern."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(place)  # in each thread: some connections are for one alone
        return files.cat_file(path)
    except ImportError as error:
        raise cannot_open(place, error) from error
    except Exception as error:  # each kind of address raises what it likes
        return error


def _taken(name: str, data: bytes | Exception | None) -> ImageFile | SkippedInput:
    if isinstance(data, bytes):
        return ImageBytes(Path(name), hashlib.sha256(data).hexdigest(), data=data)
    if data is None:
        return SkippedInput(path=name, reason="no image there")
    return SkippedInput(path=name, reason=f"cannot be read ({_in_short(data)})")


def _in_short(error: Exception) -> str:
    said = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
    return said.rstrip(".")


def _members(place: str) -> Iterator[ImageFile | SkippedInput]:
    """Pictures of a tar archive, such as a WebDataset shard; one is called `archive.tar!member`."""
    suffixes = image_suffixes()
    with opened(place) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            # What macOS puts beside each file, "._0001.jpg", is no picture.
            if not member.isreg() or path.name.startswith("._") or path.suffix.lower() not in suffixes:
                continue
            name = f"{place}!{member.name}"
            if member.size > MOST_BYTES:
                yield SkippedInput(path=name, reason=f"{member.size:,} bytes are too many for a picture")
                continue
            held = archive.extractfile(member)
            yield _taken(name, held.read() if held else None)


def _cells(shard: PoolShard, pool: ThreadPoolExecutor) -> Iterator[ImageFile | SkippedInput]:
    """Pictures of a row group: bytes, Hugging Face's {bytes, path}, or paths; one is called `table#row`."""
    place = shard.places[0]
    at = 0
    with opened(place) as file:
        table = arrow("pyarrow.parquet").ParquetFile(file)
        before = sum(table.metadata.row_group(each).num_rows for each in range(shard.group))
        for batch in table.iter_batches(_HELD, row_groups=[shard.group], columns=[shard.column]):
            cells = batch.column(0).to_pylist()
            paths = [each for each in cells if isinstance(each, str)]
            read = dict(zip(paths, _read(paths, pool), strict=True))
            for cell in cells:
                name = f"{place}#{before + at}"
                at += 1
                inside = cell.get("bytes") if isinstance(cell, dict) else cell
                yield read[cell] if isinstance(cell, str) else _taken(name, inside)
