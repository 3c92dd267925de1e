"""Takes in pictures that are sent from a page: bounded, decoded like any image, named by their content."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import IO

from fieldmark.cache.folders import private_folder, write_whole
from fieldmark.errors import NoImagesError
from fieldmark.tools.images.decode import UnusableImageError, image_suffixes
from fieldmark.tools.images.files import decode_image
from fieldmark.tools.images.zipped import LARGEST, with_zips_opened


def keep_uploads(files: Iterable[tuple[str, IO[bytes]]], folder: Path) -> tuple[tuple[str, str], ...]:
    """Write pictures into a folder, those in zips, too; what is no picture is not kept.

    Args:
        files: Each with the name that it came with: only its suffix counts, and never as a path.
        folder: Where they go; made.

    Returns:
        What was not kept, by the name that it came with, with the reason.

    Raises:
        NoImagesError: Not one is a picture.
        InputError: A zip cannot be opened, or not safely; see `with_zips_opened`.
    """
    refused: list[tuple[str, str]] = []
    kept = 0
    private_folder(folder)
    for name, file in with_zips_opened(files):
        suffix, data = Path(name).suffix.lower(), file.read(LARGEST + 1)
        if len(data) > LARGEST or suffix not in image_suffixes():
            refused.append((name, "too large" if len(data) > LARGEST else "no image by its name"))
            continue
        path = folder / f"{sha256(data).hexdigest()}{suffix}"
        write_whole(path, (data,))
        try:
            decode_image(path)
        except UnusableImageError as error:
            path.unlink(missing_ok=True)
            refused.append((name, error.reason))
        else:
            kept += 1
    if not kept:
        first = f" {refused[0][0]!r}: {refused[0][1]}." if refused else ""
        raise NoImagesError(
            f"No picture that was sent can be used.{first}", hint="Send image files, or a zip of them."
        )
    return tuple(refused)
