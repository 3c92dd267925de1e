"""A folder of vectors with one file of rows a shard, each committed by a manifest of its own."""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from fieldmark.cache.folders import USUAL_FILE, cache_error, checked_place, write_whole
from fieldmark.cache.rowfile import Rows, checksums
from fieldmark.errors import CacheError
from fieldmark.reading import is_address, read_bytes
from fieldmark.records import Record

_POOL, _POOL_FORMAT = "pool.json", "fieldmark.pool/1"
_INDEX = "index.json"
_NAME = re.compile(r"\d{8}-[0-9a-f]{16}")
_MOST_BYTES = 1 << 34


class _Index(Record):
    """The shards of the pool as it was embedded last, in order."""

    format: Literal["fieldmark.shards/1"] = "fieldmark.shards/1"
    shards: tuple[str, ...]


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
    it has names, keys, and a CRC-32 over each key and row. `index.json`, written before any shard, lists
    those of the pool as it is now: others may lie there from a pool that was cut or filled differently, and
    are not read. All are written whole. So whoever reads while it grows finds whole shards, and a writer that
    was killed leaves nothing that counts. Two that write the same shard write the same.

    Args:
        place: The folder, made where it is needed with the usual permissions, or the address.
        identity: The encoder's.
        width: D.

    Raises:
        CacheError: It holds another encoder's vectors, or cannot be used.
    """

    def __init__(self, place: str, *, identity: str, width: int) -> None:
        self._files = _open_place(place, make=True)
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

    def list_shards(self, names: Sequence[str]) -> None:
        """Say which shards the pool has, committed or not by now; readers see no others.

        Raises:
            CacheError: It could not be written.
        """
        self._files.write(_INDEX, _Index(shards=tuple(names)).model_dump_json().encode())

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

    def counts(self, name: str) -> tuple[int, tuple[tuple[str, str], ...]]:
        """How many images a committed shard has, and what could not be encoded; no rows are read.

        Raises:
            CacheError: It is missing or damaged.
        """
        said = _read_manifest(self._files, name)
        return len(said.names), said.skipped

    def read(self, name: str) -> StoredShard:
        """A committed shard, each row checked.

        Raises:
            CacheError: It is missing or damaged.
        """
        return _read_shard(self._files, name)


def read_shards(place: str | Path) -> Iterator[StoredShard]:
    """The shards of a pool that are committed by now, in order, each row checked; nothing is written.

    They are those of the pool as it was embedded last.

    Args:
        place: The folder or address that `embed_pool` writes.

    Raises:
        InputError: The place is neither a path nor an address.
        CacheError: A shard is damaged, or there are none to be read.
    """
    files = _open_place(checked_place(place, "place"), make=False)
    if files.read(_POOL) is None:
        raise CacheError(f"{place} holds no shards of vectors.", hint="Name what embed wrote into.")
    there, said = _names(files), files.read(_INDEX)
    if said is None and not there:  # it has only begun
        return
    try:
        listed = _Index.model_validate_json(said or b"").shards
    except ValidationError as error:
        raise CacheError(
            f"The list of shards in {place} is missing or damaged.",
            hint="Embed again: shards that are there are kept.",
        ) from error
    for name in listed:
        if name in there:
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

    def __init__(self, place: str, *, make: bool) -> None:
        self.place = place
        self.folder: Path | None = None
        if is_address(place):
            from fsspec import core  # pyright: ignore[reportMissingTypeStubs]

            untyped: Any = core
            self._far, path = untyped.url_to_fs(place)
            self._path = str(path).rstrip("/")
            if make:
                self._far.makedirs(self._path, exist_ok=True)
        else:
            self.folder = Path(place).absolute()
            self.place = str(self.folder)
            if make:
                self.folder.mkdir(parents=True, exist_ok=True)

    def listed(self) -> list[str]:
        with self._translated():
            if self.folder is not None:
                return [each.name for each in self.folder.iterdir()]
            self._far.invalidate_cache(self._path)
            return [str(each).rpartition("/")[2] for each in self._far.ls(self._path, detail=False)]

    def read(self, name: str) -> bytes | None:
        with self._translated():
            try:
                if self.folder is not None:
                    return read_bytes(self.folder / name, most=_MOST_BYTES)
                return bytes(self._far.cat_file(f"{self._path}/{name}"))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        with self._translated():
            if self.folder is not None:
                write_whole(self.folder / name, (data,), mode=USUAL_FILE)
            else:  # an object appears whole or not at all
                self._far.pipe_file(f"{self._path}/{name}", data)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except Exception as error:  # each kind of address raises what it likes
            raise cache_error(Path(self.place), error) from error


def _open_place(place: str, *, make: bool) -> _Files:
    try:
        return _Files(place, make=make)
    except Exception as error:  # each kind of address raises what it likes
        raise cache_error(Path(place), error) from error


def _names(files: _Files) -> set[str]:
    return {each[:-5] for each in files.listed() if each.endswith(".json") and _NAME.fullmatch(each[:-5])}


def _read_manifest(files: _Files, name: str) -> _Manifest:
    try:
        return _Manifest.model_validate_json(files.read(f"{name}.json") or b"")
    except ValidationError as error:
        raise _damaged(files, name) from error


def _read_shard(files: _Files, name: str) -> StoredShard:
    said = _read_manifest(files, name)
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
