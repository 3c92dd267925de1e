"""Finds which images share a label: those of a folder, of one value in a table, or taken at one time."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fieldmark.app.circumstances.table import FOLDER, AboutImages
from fieldmark.app.inputs import images_by_name, named
from fieldmark.errors import InputError, close_to
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import ImageInMemory
from fieldmark.tools.images.taken import bursts_by_time

GroupBy = Mapping[str, str] | str
"""Image → group; "folder"; "exif" or "exif:SECONDS"; or a column of the table about the images."""
SECONDS = 5.0
"""Images of one camera and folder, each taken within so many seconds of the one before, are a burst."""
_EXIF = re.compile(r"exif(:(?P<seconds>\d+(\.\d+)?))?")


def check_group_by(given: GroupBy, columns: Sequence[str] | None) -> None:
    """Refuse a way to group images that there is not.

    Args:
        given: The way.
        columns: The columns of the table about the images; None without one.

    Raises:
        InputError: It is none.
    """
    if isinstance(given, Mapping) or given == FOLDER or _EXIF.fullmatch(given) or given in (columns or ()):
        return
    known = [FOLDER, "exif", "exif:SECONDS", *(columns or ())]
    more = "" if columns else " A column is one of the table about the images: give that, too."
    raise InputError(
        f"Images cannot be grouped by {given!r}.",
        hint=f"{close_to(given, known)}There are: {', '.join(known)}.{more}",
        field="group_by",
    )


def groups_of(given: GroupBy, images: Sequence[ImageFile], about: AboutImages | None) -> dict[str, str]:
    """The group of each image that has one, by content hash; groups of one image are left out.

    Raises:
        InputError: All images are in one group, or no two are.
    """
    if isinstance(given, Mapping):
        found = _of_mapping(given, images)
    elif given == FOLDER:
        found = {
            image.content_hash: str(Path(image.path).parent)
            for image in images
            if not isinstance(image, ImageInMemory)
        }
    elif match := _EXIF.fullmatch(given):
        found = bursts_by_time(images, seconds=float(match["seconds"] or SECONDS))
    else:
        rows = about.of(images) if about else {}
        found = {digest: value for digest, row in rows.items() if (value := row.get(given, "").strip())}
    sizes = Counter(found.values())
    by = "the mapping" if isinstance(given, Mapping) else repr(given)
    distinct = len({image.content_hash for image in images})
    if distinct > 1 and max(sizes.values(), default=0) == distinct:
        raise InputError(
            f"By {by} all {distinct:,} images are one group: they would share one label.",
            hint="Group them by something that tells individuals apart.",
            field="group_by",
        )
    found = {digest: group for digest, group in found.items() if sizes[group] > 1}
    if not found:
        raise InputError(
            f"By {by} no two images are one group.",
            hint="Group them by something that several images share, or leave it out.",
            field="group_by",
        )
    return found


def _of_mapping(given: Mapping[str, str], images: Sequence[ImageFile]) -> dict[str, str]:
    by_name = images_by_name(images)
    found = [(named(str(name), by_name), str(group)) for name, group in given.items()]
    return {image.content_hash: group for image, group in found if image is not None}
