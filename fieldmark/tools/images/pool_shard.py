"""Pieces of a pool of images, and how their images are read: files, tar members, Parquet cells, addresses."""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError
from fieldmark.reading import open_regular, read_bytes
from fieldmark.records import Record, SkippedInput
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.files import MOST_BYTES
from fieldmark.tools.images.image_file import ImageBytes, ImageFile

_AT_A_TIME = 64
"""Addresses that are read at once: a bucket answers each in many milliseconds, but many together."""


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

    Raises:
        InputError: An archive or a table cannot be opened, or is damaged.
    """
    if shard.kind == "tar":
        yield from _members(shard.places[0])
    elif shard.kind == "parquet":
        yield from _cells(shard)
    elif shard.hashes:
        for place, content_hash in zip(shard.places, shard.hashes, strict=True):
            yield ImageFile(Path(place), content_hash)
    else:
        for start in range(0, len(shard.places), _AT_A_TIME):
            yield from _read(shard.places[start : start + _AT_A_TIME])


def is_address(place: str) -> bool:
    """Whether a place is an address for fsspec, not a path of this machine."""
    return "://" in place


def opened(place: str) -> IO[bytes]:
    """Open a path or an address for reading.

    Raises:
        InputError: It cannot be opened.
    """
    try:
        if not is_address(place):
            return open_regular(place)
        import fsspec

        one: Any = fsspec.open(place)
        return one.open()
    except Exception as error:  # each kind of address raises what it likes
        raise cannot_open(place, error) from error


def cannot_open(place: str, error: Exception) -> InputError:
    """The error for a path or an address that cannot be opened."""
    if isinstance(error, ImportError):
        return InputError(f"{place!r} cannot be opened: {error}.", hint="Install what it names.")
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{place!r} cannot be opened: {said}.", hint="Check that it is there and may be read.")


def _read(places: Sequence[str]) -> Iterator[ImageFile | SkippedInput]:
    far = [place for place in places if is_address(place)]
    got: dict[str, bytes | Exception] = {}
    if far:
        from fsspec.core import url_to_fs

        by_path: dict[Any, dict[str, str]] = {}
        for place in far:
            files, path = url_to_fs(place)
            by_path.setdefault(files, {})[path] = place
        for files, paths in by_path.items():
            said = files.cat(list(paths), on_error="return")
            got |= {paths[path]: data for path, data in said.items()}
    for place in places:
        if place not in got:
            try:
                got[place] = read_bytes(place, most=MOST_BYTES)
            except OSError as error:
                got[place] = error
        yield _taken(place, got.pop(place))


def _taken(name: str, data: bytes | Exception | None) -> ImageFile | SkippedInput:
    if isinstance(data, bytes):
        return ImageBytes(Path(name), hashlib.sha256(data).hexdigest(), data=data)
    if data is None:
        return SkippedInput(path=name, reason="no image there")
    said = getattr(data, "strerror", None) or " ".join(str(data).split())[:200] or type(data).__name__
    return SkippedInput(path=name, reason=f"cannot be read ({said})")


def _members(place: str) -> Iterator[ImageFile | SkippedInput]:
    """Pictures of a tar archive, such as a WebDataset shard; one is called `archive.tar!member`."""
    suffixes = image_suffixes()
    try:
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
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InputError(f"The archive {place!r} is damaged: {error}.", hint="Fetch it again.") from error


def _cells(shard: PoolShard) -> Iterator[ImageFile | SkippedInput]:
    """Pictures of a row group: bytes, Hugging Face's {bytes, path}, or paths; one is called `table#row`."""
    place = shard.places[0]
    at = 0
    with opened(place) as file:
        table = parquet_file(place, file)
        before = sum(table.metadata.row_group(each).num_rows for each in range(shard.group))
        for batch in table.iter_batches(_AT_A_TIME, row_groups=[shard.group], columns=[shard.column]):
            cells = batch.column(0).to_pylist()
            paths = [each for each in cells if isinstance(each, str)]
            read = dict(zip(paths, _read(paths), strict=True)) if paths else {}
            for cell in cells:
                name = f"{place}#{before + at}"
                at += 1
                inside = cell.get("bytes") if isinstance(cell, dict) else cell
                yield read[cell] if isinstance(cell, str) else _taken(name, inside)


def parquet_file(place: str, file: IO[bytes]) -> Any:
    """A Parquet file, open.

    Raises:
        InputError: It is none, or pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise InputError(
            "Parquet files are read by pyarrow, which is not installed.",
            hint='Install it: pip install "fieldmark[ray]", or pyarrow alone.',
        ) from error
    try:
        return parquet.ParquetFile(file)
    except Exception as error:  # pyarrow has a class of its own for each kind of damage
        raise cannot_open(place, error) from error
