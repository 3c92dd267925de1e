"""Opens files for reading: regular files alone, without waiting for anybody, and never without an end.

A path may name a pipe that nobody writes to, or a device that never ends. Everything that the package reads
goes through here.
"""

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path

MOST_BYTES = 256 * 1024 * 1024
"""A larger file is refused where nothing else is said."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class NotRegularError(OSError):
    """A path that names a pipe, a device or a socket."""


def is_address(place: str) -> bool:
    """Whether a place is an address for fsspec, such as `s3://bucket/a.jpg`, not a path of this machine."""
    return "://" in place


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file, to be read as bytes; close it, or use it as a context manager.

    Raises:
        OSError: It is not there, is a folder, a pipe or a device, or may not be read. `strerror` says which.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # a zero byte in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    try:
        _refuse_others(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: Path | str) -> None:
    """Refuse what a library that opens files by their path had better not open.

    The file itself is not opened: closing any descriptor of a SQLite file would take away the locks that this
    process holds on it (sqlite.org/howtocorrupt.html, 2.2), and another process could then remove its log.

    Raises:
        OSError: It is not there, is a folder, a pipe or a device. `strerror` says which.
    """
    try:
        _refuse_others(Path(path).stat(), path)
    except ValueError as error:  # a zero byte in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from None


def check_open(file: FileIO, path: Path | str) -> None:
    """Refuse a file that was opened and is no regular one.

    Raises:
        OSError: It is a pipe or a device.
    """
    _refuse_others(os.fstat(file.fileno()), path)


def read_bytes(path: Path | str, *, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        most: The most bytes that it may have.

    Raises:
        OSError: It cannot be opened, or is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # One byte more than there are: a file may grow meanwhile.
        data = b"" if size > most else file.read(most + 1)
    if size > most or len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {_in_words(most)}", str(path))
    return data


def read_text(path: Path | str, *, most: int = MOST_BYTES, encoding: str = "utf-8") -> str:
    """The text of a regular file; its line ends stay what they are.

    Raises:
        OSError: It cannot be opened, or is larger than `most` bytes.
        UnicodeDecodeError: It is no such text.
    """
    return read_bytes(path, most=most).decode(encoding)


def read_lines(path: Path | str, *, longest: int = MOST_BYTES) -> Iterator[bytes]:
    """The lines of a regular file, one after the other, without the line feed; for files of any size.

    Raises:
        OSError: It cannot be opened, or has a line of more than `longest` bytes.
    """
    with open_regular(path) as file:
        while line := file.readline(longest + 1):
            if len(line) > longest:
                raise OSError(errno.EFBIG, f"a line is longer than {_in_words(longest)}", str(path))
            yield line.removesuffix(b"\n")


def _refuse_others(status: os.stat_result, path: Path | str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(errno.EINVAL, "not a regular file", str(path))


def _in_words(size: int) -> str:
    return f"{size // 1024**2} MiB" if size >= 1024**2 else f"{size:,} bytes"


def size_in_words(count: int) -> str:
    """Bytes in words: "1.2 MB"."""
    if count < 1000:
        return f"{count} bytes"
    power, unit = next((p, unit) for p, unit in ((9, "GB"), (6, "MB"), (3, "kB")) if count >= 10**p)
    return f"{count / 10**power:,.1f} {unit}"
