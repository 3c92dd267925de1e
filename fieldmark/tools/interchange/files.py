"""Reads labels out of the files of other tools, by what is in the file."""

import json
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.tools.interchange.coco import read_coco
from fieldmark.tools.interchange.cvat import read_cvat
from fieldmark.tools.interchange.fiftyone import read_fiftyone
from fieldmark.tools.interchange.label_studio import read_tasks
from fieldmark.tools.interchange.tagged import TaggedImage

SUFFIXES = (".json", ".xml")
MOST_BYTES = 1 << 30


def read_tagged(path: Path) -> list[TaggedImage]:
    """The images of a JSON export of Label Studio, a COCO file, a labels file of FiftyOne, or CVAT's XML.

    Raises:
        InputError: It cannot be read, or is none of these.
    """
    try:
        text = read_text(path, most=MOST_BYTES, encoding="utf-8-sig")
        if path.suffix.lower() == ".xml":
            return list(read_cvat(text))
        found = json.loads(text)
        if isinstance(found, list):
            return list(read_tasks(found))
        fiftyone = "images" not in found and "labels" in found
        return list(read_fiftyone(found, path) if fiftyone else read_coco(found))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError(
            f"Labels cannot be read from {str(path)!r}: {type(error).__name__}: {error}.",
            hint="Give Label Studio's or FiftyOne's JSON, a COCO file, CVAT for images 1.1, or a table.",
            field="labels",
        ) from error
