"""Finds the image files under given paths and says by name which cannot be used, and why."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from fieldmark.errors import NoImagesError
from fieldmark.records import Skipped
from fieldmark.tools.images.decode import (
    MAX_PIXELS,
    UnusableImageError,
    decode_bytes,
    image_formats,
    image_suffixes,
    open_header,
    quiet_about_size,
)
from fieldmark.tools.images.given_paths import as_text, is_text, is_there

__all__ = [
    "MAX_PIXELS",
    "FoundImages",
    "ImageFile",
    "UnusableImageError",
    "decode",
    "find_images",
    "read_unchanged",
]

# Without blocking: a pipe named like a picture must not hold up the search. Windows knows text files.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class ImageFile:
    """An image file as it was when it was found.

    Attributes:
        path: Where it lies.
        content_hash: SHA-256 of its bytes, in hexadecimal; it names the picture everywhere else.
        label: Name of the folder it lies in, where labels were asked for.
    """

    path: Path
    content_hash: str
    label: str | None = None


@dataclass(frozen=True)
class FoundImages:
    """What a search for images found.

    Attributes:
        images: The usable files, in a fixed order.
        skipped: The unusable ones by name, with the reason.
        other_files: How many files in folders were passed over because their suffix is no image's.
    """

    images: tuple[ImageFile, ...]
    skipped: tuple[Skipped, ...] = ()
    other_files: int = 0


def find_images(
    paths: Iterable[Path | str] | Path | str,
    *,
    labels_from_folders: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> FoundImages:
    """Find images: hash each file and check its header; pictures are decoded only when they are encoded.

    Folders are walked in the order of names; hidden files and folders are passed over, links are followed,
    and no folder is visited twice. In folders only files with a suffix of a known image format count; a file
    given by name is always tried. A file whose path is no valid UTF-8 is skipped.

    Args:
        paths: Files and folders.
        labels_from_folders: Give each image the name of the folder that it lies in as its label.
        max_pixels: Largest width times height; what is larger is skipped without being decoded.

    Returns:
        The usable images and what was skipped.

    Raises:
        NoImagesError: Nothing usable was found.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    walk = _Walk()
    files = list(walk.files(given))
    check = partial(_check, labels_from_folders=labels_from_folders, max_pixels=max_pixels)
    image_formats()  # loads Pillow's plugins once, before threads race for it
    with quiet_about_size(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        checked = list(pool.map(check, files))
    images = tuple(each for each in checked if isinstance(each, ImageFile))
    skipped = (*walk.skipped, *(each for each in checked if isinstance(each, Skipped)))
    if not images:
        raise _no_images(given, skipped, walk.other_files)
    return FoundImages(images=images, skipped=skipped, other_files=walk.other_files)


def image_files(folder: Path) -> tuple[Path, ...]:
    """The files in a folder, and in folders within it, that are images by their suffix; none is opened."""
    return tuple(_Walk().files([folder]))


def read_unchanged(image: ImageFile) -> bytes:
    """Read the bytes of an image file that was found before.

    Args:
        image: The file.

    Returns:
        Its bytes, whose hash is the one it was found with.

    Raises:
        UnusableImageError: It vanished, cannot be read, or its content changed since.
    """
    try:
        data = image.path.read_bytes()
    except FileNotFoundError:
        raise UnusableImageError(image.path, "vanished since it was found") from None
    except OSError as error:
        raise UnusableImageError(image.path, f"cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != image.content_hash:
        raise UnusableImageError(image.path, "changed since it was found")
    return data


def decode(image: ImageFile | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one image file: first frame, upright, on white where it is transparent.

    Args:
        image: A file that was found (its content must be unchanged), or any path.
        max_pixels: Largest width times height.

    Returns:
        An image of mode "RGB".

    Raises:
        UnusableImageError: It vanished, changed, is too large, broken, or no picture.
    """
    if isinstance(image, ImageFile):
        return decode_bytes(read_unchanged(image), path=image.path, max_pixels=max_pixels)
    try:
        data = image.read_bytes()
    except OSError as error:
        raise UnusableImageError(image, f"cannot be read ({error.strerror or error})") from error
    return decode_bytes(data, path=image, max_pixels=max_pixels)


class _Walk:
    """One walk over the given paths; remembers the folders it has been in and what it passed over."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.other_files = 0
        self._suffixes = image_suffixes()
        self._folders: set[tuple[int, int]] = set()
        self._files: set[str] = set()

    def files(self, given: Sequence[Path | str]) -> Iterator[Path]:
        for each in given:
            path = Path(each)
            if is_there(path) and path.is_dir():
                yield from self._inside(path)
            elif self._is_new(path):
                yield path

    def _inside(self, folder: Path) -> Iterator[Path]:
        # A stack of our own, as a folder tree may be deeper than Python's recursion limit.
        stack = [folder]
        while stack:
            path = stack.pop()
            try:
                status = path.stat()
                if not stat.S_ISDIR(status.st_mode):
                    if path.suffix.lower() not in self._suffixes:
                        self.other_files += 1
                    elif self._is_new(path):
                        yield path
                    continue
                if (status.st_dev, status.st_ino) in self._folders:
                    continue
                self._folders.add((status.st_dev, status.st_ino))
                names = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
            except OSError as error:
                self._note(path, error)
                continue
            stack.extend(path / name for name in reversed(names))

    def _note(self, path: Path, error: OSError) -> None:
        if path.is_symlink():
            reason = "a link that leads nowhere"
        elif isinstance(error, FileNotFoundError):
            reason = "vanished meanwhile"
        else:
            reason = f"cannot be opened ({error.strerror or error})"
        self.skipped.append(Skipped(path=as_text(path), reason=reason))

    def _is_new(self, path: Path) -> bool:
        absolute = os.path.normpath(path.absolute())
        if absolute in self._files:
            return False
        self._files.add(absolute)
        return True


def _check(path: Path, *, labels_from_folders: bool, max_pixels: int) -> ImageFile | Skipped:
    absolute = Path(os.path.normpath(path.absolute()))
    # What a run writes is UTF-8, and a name that is none would end it when all its work is done.
    if not is_text(absolute if labels_from_folders else path):
        return Skipped(path=as_text(path), reason="its name is no valid text (UTF-8)")
    try:
        # Without blocking: a pipe named like a picture must not hold up the search.
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Skipped(path=as_text(path), reason="not a regular file")
            if status.st_size == 0:
                return Skipped(path=as_text(path), reason="empty file")
            open_header(file, path=path, max_pixels=max_pixels)
            file.seek(0)
            content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except UnusableImageError as error:
        return Skipped(path=as_text(path), reason=error.reason)
    except FileNotFoundError:
        return Skipped(path=as_text(path), reason="no such file or folder")
    except OSError as error:
        return Skipped(path=as_text(path), reason=f"cannot be read ({error.strerror or error})")
    label = absolute.parent.name if labels_from_folders else None
    return ImageFile(path=path, content_hash=content_hash, label=label)


def _no_images(given: Sequence[Path | str], skipped: Sequence[Skipped], other_files: int) -> NoImagesError:
    if not given:
        return NoImagesError("No image files or folders were given.", hint="Name at least one.")
    where = ", ".join(as_text(each) for each in given[:3]) + (", …" if len(given) > 3 else "")
    if skipped:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        return NoImagesError(
            f"No usable image in {where}; {len(skipped)} skipped ({reasons}{more}).",
            hint="Check the paths and the files.",
        )
    return NoImagesError(
        f"No image in {where}; {other_files} other file(s) were passed over.",
        hint="Images are known by their suffix, such as .jpg, .png or .webp; name other files one by one.",
    )
