"""Checks paths that a user gave, and writes a path as text that can be stored."""

import unicodedata
from pathlib import Path


def is_there(path: Path | str) -> bool:
    """Whether a file or folder is at a path; not where the text is one that no file can have.

    `Path.exists()` raises for such: a list of class names is easily longer than a file's name may be.
    """
    try:
        return Path(path).exists()
    except OSError:
        return False


def spelled_as_there(path: Path) -> Path:
    """A path as its file is spelled: lists and file systems may compose the same letters in two ways.

    Where no spelling is there, the path comes back as it was.
    """
    text = str(path)
    if text.isascii() or is_there(path):
        return path
    for form in ("NFC", "NFD"):
        other = Path(unicodedata.normalize(form, text))
        if is_there(other):
            return other
    return path


def is_text(path: Path | str) -> bool:
    """Whether a path is valid text: a name whose bytes are no UTF-8 reaches Python with lone surrogates."""
    return as_text(path) == str(path)


def as_text(path: Path | str) -> str:
    r"""A path as text that any file or terminal takes; what is no valid text in it is spelled `\udcff`."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
