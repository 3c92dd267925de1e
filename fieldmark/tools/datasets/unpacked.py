"""Unpacks images that lie inside other files, each once, into files named by their content.

An index says which pictures a source has. It is written last: work that was cut short is done again, and
work that was finished never is.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from fieldmark.cache.folders import PRIVATE_FILE, TEMPORARY_SUFFIX, private_folder, write_whole
from fieldmark.errors import CacheError
from fieldmark.reading import open_regular, read_bytes
from fieldmark.records import Record, SkippedInput
from fieldmark.tools.images.files import ImageFile

_SUFFIXES = {"jpg": ".jpg", "jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_FORMAT = "fieldmark.unpacked/1"


class Kept(Record):
    """A picture of a source.

    Attributes:
        key: What the source calls it.
        name: Its file, relative to the folder: "pictures/ab/abc….jpg".
        label: Its label there.
    """

    key: str
    name: str = Field(pattern=r"^pictures/[0-9a-f]{2}/[0-9a-f]{64}\.(jpg|png|webp|img)$")
    label: int


class _Index(Record):
    format: str = Field(default=_FORMAT, pattern="^" + _FORMAT + "$")
    pictures: tuple[Kept, ...]


@dataclass(frozen=True)
class PictureFolder:
    """A folder of unpacked pictures.

    Attributes:
        path: The folder; only its owner can enter it.
    """

    path: Path

    def keep(self, key: str, data: bytes, *, suffix: str, label: int) -> Kept:
        """Write a picture, unless one of the same content is there.

        Args:
            key: What the source calls it.
            data: Its bytes, as they were in the source.
            suffix: What its name ends in, without the dot; it matters to people only.
            label: Its label.

        Raises:
            CacheError: It cannot be written.
        """
        content = hashlib.sha256(data).hexdigest()
        name = f"pictures/{content[:2]}/{content}{_SUFFIXES.get(suffix.lower(), '.img')}"
        path = self.path / name
        try:
            if not path.is_file() or path.stat().st_size != len(data):
                _write(path, data)
        except OSError as error:
            raise CacheError(
                f"{str(path)!r} cannot be written: {error.strerror or error}.",
                hint="Check that the disk is not full and the folder is yours.",
            ) from error
        return Kept(key=key, name=name, label=label)

    def known(self, source: Mapping[str, object]) -> tuple[Kept, ...] | None:
        """The pictures of a source that was unpacked before; None where any of it is missing or unreadable.

        Args:
            source: What tells the source from all others, such as its path, size and time.
        """
        try:
            pictures = _Index.model_validate_json(read_bytes(self._index(source))).pictures
        except (OSError, ValidationError):
            return None
        return pictures if all((self.path / each.name).is_file() for each in pictures) else None

    def remember(self, source: Mapping[str, object], pictures: tuple[Kept, ...]) -> None:
        """Write the index of a source that is unpacked whole.

        Raises:
            CacheError: It cannot be written.
        """
        path = self._index(source)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, (_Index(pictures=pictures).model_dump_json().encode(),))
        except OSError as error:
            raise CacheError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error

    def _index(self, source: Mapping[str, object]) -> Path:
        text = json.dumps(source, sort_keys=True, ensure_ascii=False)
        return self.path / "indexes" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def open_picture_folder(cache: Path) -> PictureFolder:
    """The folder of unpacked pictures in a cache folder; it is made where it is not there.

    Raises:
        CacheError: It cannot be made.
    """
    return PictureFolder(private_folder(cache / "datasets"))


def drop_damaged(
    images: tuple[ImageFile, ...], skipped: tuple[SkippedInput, ...], folder: PictureFolder
) -> None:
    """Refuse pictures of the folder whose content is not the one they are named by.

    They are removed, so that the next run unpacks them again. A picture that was broken at the source has the
    name of its content and stays.

    Args:
        images: Usable files that were found, in the folder or elsewhere.
        skipped: Unusable ones.
        folder: The folder.

    Raises:
        CacheError: There is one.
    """
    root = folder.path / "pictures"
    bad = [
        image.path
        for image in images
        if image.path.is_relative_to(root) and image.path.stem != image.content_hash
    ]
    unusable = [path for each in skipped if (path := Path(each.path)).is_relative_to(root) and path.is_file()]
    bad += [path for path in unusable if path.stem != _content(path)]
    for path in bad:
        path.unlink(missing_ok=True)
    if bad:
        raise CacheError(
            f"{len(bad)} unpacked picture(s) were damaged since, such as {str(bad[0])!r}; they were removed.",
            hint="Run it again: what is missing is unpacked anew.",
        )


def _content(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write without waiting for the disk: what a power cut spoils is found by its name and unpacked again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
