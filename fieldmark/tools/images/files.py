"""Finds images, in files, folders and memory, and says by name which cannot be used, and why."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from PIL import Image

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError, NoImagesError
from fieldmark.reading import NotRegularError, open_regular, read_bytes
from fieldmark.records import SkippedInput, path_of
from fieldmark.records.names import one_name
from fieldmark.records.predictions import passed_over_in_words
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
from fieldmark.tools.images.image_file import ImageBytes, ImageFile
from fieldmark.tools.images.in_memory import ImageInMemory, Picture, is_picture, take_in

__all__ = [
    "MAX_PIXELS",
    "FoundImages",
    "Given",
    "ImageFile",
    "UnusableImageError",
    "decode_image",
    "find_images",
    "read_unchanged",
]

Given = Path | str | Picture
"""One image or folder as a user gives it: a path, a PIL image, or an array uint8 `[H, W, 3]`."""

MOST_BYTES = 1 << 30
"""A larger file is skipped: no picture within the limit on pixels needs as much."""


@dataclass(frozen=True)
class FoundImages:
    """What a search for images found.

    Attributes:
        images: The usable images, each file once, in the order given.
        skipped: The unusable ones by name, with the reason.
        inputs: All of them, usable or not, in the order given; one that was given twice stands here twice. A
            folder stands for its files in the order of their names.
        passed_over: How many files in folders were passed over because their suffix is no image's, by suffix
            in lower case ("" for none); the most frequent first.
    """

    images: tuple[ImageFile, ...]
    skipped: tuple[SkippedInput, ...] = ()
    inputs: tuple[ImageFile | SkippedInput, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)


def find_images(
    images: Iterable[Given] | Given,
    *,
    labels_from_folders: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> FoundImages:
    """Find images: hash each file and check its header; pictures are decoded only when they are encoded.

    Folders are walked in the order of names; hidden files and folders are passed over, links are followed,
    and no folder is visited twice. In folders only files with a suffix of a known image format count; a file
    given by name is always tried. A file whose path is no valid UTF-8 is skipped.

    Args:
        images: Files, folders, PIL images, arrays uint8 `[H, W, 3]`, or any mix of them. One in memory is
            called by its place: `images[2]` is the third.
        labels_from_folders: Give each image the name of the folder that it lies in as its label.
        max_pixels: Largest width times height; what is larger is skipped without being decoded.

    Returns:
        The usable images and what was skipped.

    Raises:
        NoImagesError: Nothing usable was found.
        InputError: Something is neither a path nor an image; an array has another shape or type.
    """
    given = given_list(images)
    names = [each if isinstance(each, Path | str) else f"images[{at}]" for at, each in enumerate(given)]
    walk = _Walk()
    found = [
        take_in(each, name, max_pixels=max_pixels) if is_picture(each) else name
        for each, name in zip(given, map(str, names), strict=True)
    ]
    entries = [entry for each in found for entry in (walk.files([each]) if isinstance(each, str) else [each])]
    files = [entry for entry in entries if isinstance(entry, Path)]
    check = partial(_check, labels_from_folders=labels_from_folders, max_pixels=max_pixels)
    image_formats()  # loads Pillow's plugins once, before threads race for it
    with quiet_about_size(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        checked = dict(zip(files, pool.map(check, files), strict=True))
    lost = [entry for entry in entries if isinstance(entry, SkippedInput)]
    results = [checked[entry] if isinstance(entry, Path) else entry for entry in entries]
    usable = tuple(each for each in results if isinstance(each, ImageFile))
    skipped = (*lost, *(each for each in checked.values() if isinstance(each, SkippedInput)))
    if not usable:
        raise _no_images(names, skipped, walk.passed_over)
    inputs = results if len(given) == 1 else _one_for_each(found, checked)
    return FoundImages(usable, skipped, tuple(inputs), passed_over=dict(walk.passed_over.most_common()))


def with_files(found: FoundImages, folder: Path) -> FoundImages:
    """The same images, those in memory written into a folder as PNG files, each once.

    Args:
        found: What was found.
        folder: Made where it is needed; a file is named by the hash of its pixels.
    """
    written: dict[str, ImageFile] = {}
    for image in found.images:
        if isinstance(image, ImageInMemory):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{image.content_hash}.png"
            if not path.is_file():
                write_whole(path, (image.bytes(),))
            content_hash = hashlib.sha256(read_bytes(path, most=MOST_BYTES)).hexdigest()
            written[str(image.path)] = ImageFile(path, content_hash, image.label)
    if not written:
        return found
    return replace(found, images=tuple(written.get(str(each.path), each) for each in found.images))


def given_list(images: Iterable[Given] | Given) -> list[Given]:
    """What was given as a list, also where it is one path or one image.

    Raises:
        InputError: Something in it is neither a path nor an image.
    """
    one = isinstance(images, str | Path | Image.Image) or getattr(images, "ndim", 4) < 4
    try:
        given = [images] if one else list(images)  # pyright: ignore[reportArgumentType]
    except TypeError:
        given = [images]
    for at, each in enumerate(given):
        if not isinstance(each, str | Path) and not is_picture(each):
            raise InputError(
                f"images[{at}] is neither a path nor an image but {type(each).__name__}.",
                hint="Give paths, PIL images, or arrays of shape [H, W, 3] and type uint8.",
            )
    return given  # pyright: ignore[reportReturnType]


def _one_for_each(
    found: Sequence[str | ImageFile | SkippedInput], checked: dict[Path, ImageFile | SkippedInput]
) -> Iterator[ImageFile | SkippedInput]:
    """The result of each input, in order; one file may be given more than once, alone or in a folder."""
    places = {os.path.normpath(path.absolute()): result for path, result in checked.items()}
    for each in found:
        for entry in _Walk().files([each]) if isinstance(each, str) else [each]:
            if not isinstance(entry, Path):
                yield entry
            elif (result := places.get(os.path.normpath(entry.absolute()))) is not None:
                yield result


def image_files(*given: Path, also: tuple[str, ...] = ()) -> tuple[tuple[Path, ...], Counter[str]]:
    """The files in folders, and in folders within them, that are images by their suffix; none is opened.

    Args:
        given: Folders; files among them are taken whatever their suffix. What comes twice is given once.
        also: Further endings of names, in lower case, that count.

    Returns:
        The files, and how many others there are by suffix.
    """
    walk = _Walk(also)
    return tuple(each for each in walk.files(given) if isinstance(each, Path)), walk.passed_over


def read_unchanged(image: ImageFile) -> bytes:
    """Read the bytes of an image file that was found before.

    Returns:
        Its bytes, whose hash is the one it was found with.

    Raises:
        UnusableImageError: It vanished, cannot be read, or its content changed since.
    """
    if isinstance(image, ImageInMemory):
        return image.bytes()
    if isinstance(image, ImageBytes):
        return image.data
    try:
        data = read_bytes(image.path, most=MOST_BYTES)
    except FileNotFoundError:
        raise UnusableImageError(image.path, "vanished since it was found") from None
    except OSError as error:
        raise UnusableImageError(image.path, f"cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != image.content_hash:
        raise UnusableImageError(image.path, "changed since it was found")
    return data


def decode_image(image: ImageFile | Path | str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one image file: first frame, upright, on white where it is transparent.

    Args:
        image: A file that was found (its content must be unchanged), or any path.
        max_pixels: Largest width times height.

    Returns:
        An image of mode "RGB".

    Raises:
        UnusableImageError: It vanished, changed, is too large, broken, or no picture.
    """
    if isinstance(image, ImageInMemory):
        return image.rgb()
    if isinstance(image, ImageFile):
        return decode_bytes(read_unchanged(image), path=image.path, max_pixels=max_pixels)
    path = path_of(image, "image")
    try:
        data = read_bytes(path, most=MOST_BYTES)
    except OSError as error:
        raise UnusableImageError(path, f"cannot be read ({error.strerror or error})") from error
    return decode_bytes(data, path=path, max_pixels=max_pixels)


class _Walk:
    """One walk over the given paths; remembers the folders it has been in and what it passed over."""

    def __init__(self, also: tuple[str, ...] = ()) -> None:
        self.passed_over: Counter[str] = Counter()
        self._also = also
        self._suffixes = image_suffixes()
        self._folders: set[tuple[int, int]] = set()
        self._files: set[str] = set()

    def files(self, given: Sequence[Path | str]) -> Iterator[Path | SkippedInput]:
        """Files in order; what cannot be looked at is given with the reason."""
        for each in given:
            path = Path(each)
            if is_there(path) and path.is_dir():
                yield from self._inside(path)
            elif self._is_new(path):
                yield path

    def _inside(self, folder: Path) -> Iterator[Path | SkippedInput]:
        # A stack of our own, as a folder tree may be deeper than Python's recursion limit.
        stack = [folder]
        while stack:
            path = stack.pop()
            try:
                status = path.stat()
                if not stat.S_ISDIR(status.st_mode):
                    name = path.name.lower()
                    if path.suffix.lower() not in self._suffixes and not name.endswith(self._also):
                        self.passed_over[as_text(path.suffix.lower())] += 1
                    elif self._is_new(path):
                        yield path
                    continue
                if (status.st_dev, status.st_ino) in self._folders:
                    continue
                self._folders.add((status.st_dev, status.st_ino))
                names = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
            except OSError as error:
                yield _unopened(path, error)
                continue
            stack.extend(path / name for name in reversed(names))

    def _is_new(self, path: Path) -> bool:
        absolute = os.path.normpath(path.absolute())
        if absolute in self._files:
            return False
        self._files.add(absolute)
        return True


def _unopened(path: Path, error: OSError) -> SkippedInput:
    """A file or folder that cannot be looked at, with the reason."""
    if path.is_symlink():
        reason = "a link that leads nowhere"
    elif isinstance(error, FileNotFoundError):
        reason = "vanished meanwhile"
    else:
        reason = f"cannot be opened ({error.strerror or error})"
    return SkippedInput(path=as_text(path), reason=reason)


def _check(path: Path, *, labels_from_folders: bool, max_pixels: int) -> ImageFile | SkippedInput:
    absolute = Path(os.path.normpath(path.absolute()))
    # What a run writes is UTF-8, and a name that is none would end it when all its work is done.
    if not is_text(absolute if labels_from_folders else path):
        return SkippedInput(path=as_text(path), reason="its name is no valid text (UTF-8)")
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return SkippedInput(path=as_text(path), reason="empty file")
            if size > MOST_BYTES:
                return SkippedInput(path=as_text(path), reason=f"larger than {MOST_BYTES // 1024**2} MiB")
            open_header(file, path=path, max_pixels=max_pixels)
            file.seek(0)
            content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except UnusableImageError as error:
        return SkippedInput(path=as_text(path), reason=error.reason)
    except NotRegularError:
        return SkippedInput(path=as_text(path), reason="not a regular file")
    except FileNotFoundError:
        return SkippedInput(path=as_text(path), reason="no such file or folder")
    except OSError as error:
        return SkippedInput(path=as_text(path), reason=f"cannot be read ({error.strerror or error})")
    label = one_name(absolute.parent.name) if labels_from_folders else None
    return ImageFile(path=path, content_hash=content_hash, label=label)


def _no_images(
    given: Sequence[Path | str], skipped: Sequence[SkippedInput], passed_over: Mapping[str, int]
) -> NoImagesError:
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
        f"No image in {where}. {passed_over_in_words(passed_over) or 'No file is there.'}",
        hint="Images are known by their suffix, such as .jpg, .png or .heic; name other files one by one.",
    )
