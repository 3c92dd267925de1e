"""Opens zips that were sent among pictures: nothing is unpacked by its name, and everything is bounded."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO

from fieldmark.errors import InputError

MOST_FILES = 10_000
"""Files that one zip may hold."""
MOST_BYTES = 1 << 30
"""Bytes of all its files together, as they are when unpacked."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one file."""
SUFFIX = ".zip"
_LIST = 16 * 1024 * 1024
"""Bytes of a zip's list of files: it is read as a whole before anything is known of it."""
_END, _LONG_END = b"PK\x05\x06", b"PK\x06\x07"
_END_FIELDS = struct.Struct("<4s4H2LH")
_FEWER = "Send fewer pictures, or name a folder of this machine."
_WHOLE = "Make it anew, or send the pictures themselves."
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def with_zips_opened(files: Iterable[tuple[str, IO[bytes]]]) -> Iterator[tuple[str, IO[bytes]]]:
    """Files with their names; a zip's own files come in its place, each read when its turn comes.

    Folders, hidden files and what a Mac adds to its zips are passed over. A zip in a zip stays a file.

    Args:
        files: Names, by which zips are known, and contents.

    Raises:
        InputError: A zip is damaged, encrypted or too large, or holds a link or a path that leads out of it.
    """
    for name, content in files:
        if not name.lower().endswith(SUFFIX):
            yield name, content
            continue
        try:
            with zipfile.ZipFile(_checked(name, content)) as archive:
                for member in _members(name, archive):
                    yield member.filename, io.BytesIO(archive.read(member))
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError):
            raise InputError(f"{name!r} is no zip, or is damaged.", hint=_WHOLE) from None


def _checked(name: str, content: IO[bytes]) -> IO[bytes]:
    """A zip whose list of files is small enough to be read.

    Raises:
        InputError: It is too long.
        ValueError: There is none.
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(max(0, size - _END_FIELDS.size - 0xFFFF - 20))
    tail = content.read()
    at = tail.rfind(_END)
    listed = _END_FIELDS.unpack(tail[at : at + _END_FIELDS.size])[5] if at >= 0 else 0
    # The form for longer lists says its length elsewhere, and would be believed.
    if listed > _LIST or tail[max(0, at - 20) :].startswith(_LONG_END):
        raise _too_many(name)
    content.seek(0)
    return content


def _members(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of a zip, in its order.

    Raises:
        InputError: One of them is not to be had.
    """
    found = archive.infolist()
    if len(found) > MOST_FILES:
        raise _too_many(name)
    if sum(each.file_size for each in found) > MOST_BYTES:  # of no file more is read than it says
        raise InputError(f"{name!r} holds more than {MOST_BYTES // 1024**2:,} MiB.", hint=_FEWER)
    for each in found:
        parts = PurePosixPath(each.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in each.filename[:3]:
            raise InputError(f"{name!r} holds a path that leads out of it: {each.filename!r}.", hint=_WHOLE)
        if stat.S_ISLNK(each.external_attr >> 16):
            raise InputError(f"{name!r} holds a link: {each.filename!r}.", hint=_WHOLE)
        if each.flag_bits & 1:
            raise InputError(f"{name!r} is encrypted.", hint="Send it without a password.")
        if each.compress_type not in _READABLE:
            raise InputError(f"{name!r} is compressed in a way that is not read here.", hint=_WHOLE)
        if each.file_size > LARGEST:
            said = f"{name!r} holds a file of more than {LARGEST // 1024**2} MiB: {each.filename!r}."
            raise InputError(said, hint="Leave it out.")
    return [each for each in found if not each.is_dir() and not _hidden(each.filename)]


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


def _too_many(name: str) -> InputError:
    return InputError(f"{name!r} holds more than {MOST_FILES:,} files.", hint=_FEWER)
