"""A folder of vectors with one file of rows a shard, each committed by a manifest of its own."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from fieldmark.cache.folders import cache_error, private_folder, write_whole
from fieldmark.cache.rowfile import Rows, checksums
from fieldmark.errors import CacheError
from fieldmark.reading import read_bytes
from fieldmark.records import Record

_POOL, _POOL_FORMAT = "pool.json", "fieldmark.pool/1"
_NAME = re.compile(r"\d{8}-[0-9a-f]{16}")
_MOST_BYTES = 1 << 34


class _Manifest(Record):
    """What makes a shard count."""

    format: Literal["fieldmark.shard/1"] = "fieldmark.shard/1"
    width: int
    names: tuple[str, ...]
    keys: tuple[str, ...]
    crc: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StoredShard:
    """A committed shard.

    Attributes:
        name: Its name in the folder; shards are in the order of their names.
        names: Names of its N images.
        keys: Their keys in a vector store of the same encoder.
        rows: Their vectors, float16 `[N, D]`.
        skipped: What could not be encoded: name and reason.
    """

    name: str
    names: tuple[str, ...]
    keys: tuple[str, ...]
    rows: Rows
    skipped: tuple[tuple[str, str], ...]


class ShardFolder:
    """Shards of one encoder's vectors, in a folder or at an address that fsspec opens.

    `NAME.f16` holds rows as a vector store's file does; `NAME.json`, written after it, makes the shard count:
    it has names, keys, and a CRC-32 over each key and row. Both are written whole. So whoever reads while it
    grows finds whole shards, and a writer that was killed leaves nothing that counts. Two that write the same
    shard write the same.

    Args:
        place: The folder, made where it is needed, or the address.
        identity: The encoder's.
        width: D.

    Raises:
        CacheError: It holds another encoder's vectors, or cannot be used.
    """

    def __init__(self, place: str, *, identity: str, width: int) -> None:
        self._files = _open_place(place)
        self.place = self._files.place
        self.width = width
        said = self._files.read(_POOL)
        mine = json.dumps({"format": _POOL_FORMAT, "encoder": identity, "width": width}).encode()
        if said is None:
            self._files.write(_POOL, mine)
        elif said != mine:
            raise CacheError(
                f"{place} holds the vectors of another encoder, or something else.",
                hint="Give each encoder a folder of its own.",
            )

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one of this machine."""
        return self._files.folder

    def committed(self) -> set[str]:
        """Names of the shards that count."""
        return _names(self._files)

    def commit(
        self,
        name: str,
        *,
        names: Sequence[str],
        keys: Sequence[str],
        rows: Rows,
        skipped: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write a shard; it counts once this returns.

        Raises:
            CacheError: It could not be written.
        """  # fmt: skip
        stored = np.ascontiguousarray(rows, dtype="<f2")
        manifest = _Manifest(
            width=self.width,
            names=tuple(names),
            keys=tuple(keys),
            crc=_sums(keys, stored),
            skipped=tuple(skipped),
        )
        self._files.write(f"{name}.f16", stored.tobytes())
        self._files.write(f"{name}.json", manifest.model_dump_json().encode())

    def read(self, name: str) -> StoredShard:
        """A committed shard, each row checked.

        Raises:
            CacheError: It is missing or damaged.
        """
        return _read_shard(self._files, name)


def read_shards(place: str) -> Iterator[StoredShard]:
    """The committed shards of a folder or address by now, in order, each row checked.

    Raises:
        CacheError: A shard is damaged, or there are none to be read.
    """
    files = _open_place(place)
    if files.read(_POOL) is None:
        raise CacheError(f"{place} holds no shards of vectors.", hint="Name what embed wrote into.")
    for name in sorted(_names(files)):
        yield _read_shard(files, name)


def shard_name(number: int, key: str) -> str:
    """The name of a pool's shard.

    Args:
        number: Its number in the pool, which gives the order.
        key: SHA-256 over what is in it.
    """
    return f"{number:08}-{key[:16]}"


class _Files:
    """The files of a place, local or far: listed, read, and written whole."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.folder: Path | None = None
        if "://" in place:
            from fsspec import core  # pyright: ignore[reportMissingTypeStubs]

            untyped: Any = core
            self._far, path = untyped.url_to_fs(place)
            self._path = str(path).rstrip("/")
            self._far.makedirs(self._path, exist_ok=True)
        else:
            self.folder = private_folder(place)
            self.place = str(self.folder)

    def listed(self) -> list[str]:
        if self.folder is not None:
            return [each.name for each in self.folder.iterdir()]
        self._far.invalidate_cache(self._path)
        return [str(each).rpartition("/")[2] for each in self._far.ls(self._path, detail=False)]

    def read(self, name: str) -> bytes | None:
        try:
            if self.folder is not None:
                return read_bytes(self.folder / name, most=_MOST_BYTES)
            return bytes(self._far.cat_file(f"{self._path}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        if self.folder is not None:
            write_whole(self.folder / name, (data,))
        else:  # an object appears whole or not at all
            self._far.pipe_file(f"{self._path}/{name}", data)


def _open_place(place: str) -> _Files:
    try:
        return _Files(place)
    except CacheError:
        raise
    except Exception as error:  # each kind of address raises what it likes
        raise cache_error(Path(place), error) from error


def _names(files: _Files) -> set[str]:
    try:
        listed = files.listed()
    except OSError as error:
        raise cache_error(Path(files.place), error) from error
    return {each[:-5] for each in listed if each.endswith(".json") and _NAME.fullmatch(each[:-5])}


def _read_shard(files: _Files, name: str) -> StoredShard:
    try:
        said = _Manifest.model_validate_json(files.read(f"{name}.json") or b"")
    except ValidationError as error:
        raise _damaged(files, name) from error
    data = files.read(f"{name}.f16")
    if data is None or len(data) != len(said.keys) * said.width * 2 or len(said.names) != len(said.keys):
        raise _damaged(files, name)
    rows = np.frombuffer(data, "<f2").astype(np.float16, copy=False).reshape(len(said.keys), said.width)
    if _sums(said.keys, rows) != said.crc:
        raise _damaged(files, name)
    return StoredShard(name, said.names, said.keys, rows, said.skipped)


def _sums(keys: Sequence[str], rows: Rows) -> tuple[int, ...]:
    """CRC-32 over each key and its row; a shard may be empty, where nothing could be encoded."""
    return tuple(checksums(keys, rows)) if keys else ()


def _damaged(files: _Files, name: str) -> CacheError:
    return CacheError(
        f"The shard {name} in {files.place} is damaged.",
        hint="Delete its two files and embed again; the others are kept.",
    )
