"""Turns any text into the name of a folder that every common file system takes and that stays where it is."""

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 100
"""Bytes of UTF-8 that a name may have; common file systems end at 255, and paths add up."""
_UNSAFE = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]'
)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_names(texts: Iterable[str], *, taken: Iterable[str] = ()) -> dict[str, str]:
    """A safe name for each text; the same texts in the same order get the same names.

    No name has a separator, a control character, or a dot or blank at its ends; none is a device of Windows.
    Names that a file system would take for one another, such as "Wren" and "wren", get a number: "wren-2".

    Args:
        texts: The texts; one that comes twice has one name.
        taken: Names that none may have.
    """
    used = {_folded(name) for name in taken}
    names: dict[str, str] = {}
    for text in texts:
        if text in names:
            continue
        plain = name = _safe(text)
        number = 1
        while _folded(name) in used:
            number += 1
            name = f"{plain}-{number}"
        used.add(_folded(name))
        names[text] = name
    return names


def _safe(text: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text))
    name = name.encode()[:LONGEST].decode(errors="ignore").strip(". \t\u00a0")
    if not name.strip("_"):
        return name or "_"
    return f"_{name}" if _DEVICES.fullmatch(name) else name


def _folded(name: str) -> str:
    """What a file system may make of a name: without case, and with composed and decomposed letters alike."""
    return unicodedata.normalize("NFKC", name).casefold()
