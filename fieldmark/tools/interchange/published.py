"""Reads which classes images of published sets show: Open Images' labels, and Pascal VOC's XML files."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.records.names import one_name
from fieldmark.tools.datasets.csv_file import read_csv

_OPEN_IMAGES = ("ImageID", "LabelName", "Confidence")
_DESCRIPTIONS = "*class-descriptions*.csv"
_MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class PublishedTags:
    """What a published set says of one image.

    Attributes:
        path: Name of the image file.
        said: Class → whether the image shows it.
        whole: Whether classes that are not named are not shown; else nothing is known of them.
    """

    path: str
    said: dict[str, bool]
    whole: bool


def read_open_images(path: Path) -> list[PublishedTags]:
    """Labels that people verified, from a file such as `oidv7-test-annotations-human-imagelabels.csv`.

    Its columns are ImageID, Source, LabelName and Confidence: 1 where the class is shown, 0 where it is not.
    The names of the classes stand beside it, in `oidv7-class-descriptions.csv` or, in the older form,
    `class-descriptions-boxable.csv`. Images are files `ImageID.jpg`, as the set's own downloader writes them.

    Raises:
        InputError: It cannot be read, the class names are not beside it, or its labels are a machine's.
    """
    names = _descriptions(path)
    found: dict[str, dict[str, bool]] = {}
    for line, row in enumerate(read_csv(path, _OPEN_IMAGES), start=2):
        mid, said = row["LabelName"], row["Confidence"].strip()
        if mid not in names:
            raise _unfit(path, f"has in line {line} the class {mid!r}, which has no name in the descriptions")
        if said not in ("0", "1", "0.0", "1.0"):
            raise _unfit(path, f"has in line {line} the confidence {said!r}: these labels are a machine's")
        found.setdefault(row["ImageID"], {})[names[mid]] = said.startswith("1")
    return [PublishedTags(f"{image}.jpg", said, whole=False) for image, said in found.items()]


def read_voc(folder: Path) -> list[PublishedTags]:
    """The classes of the objects in a folder of Pascal VOC's XML files, one an image.

    Raises:
        InputError: One cannot be read, or is no such file.
    """
    found: list[PublishedTags] = []
    for path in sorted(folder.glob("*.xml")):
        try:
            # Expat bounds how far entities may blow a file up, and no outside file is read.
            root = ET.fromstring(read_text(path, most=_MOST_BYTES))  # noqa: S314
        except (OSError, ValueError, ET.ParseError) as error:
            raise _unfit(path, f"cannot be read ({error})") from error
        image = (root.findtext("filename") or "").strip()
        if root.tag != "annotation" or not image:
            raise _unfit(path, "is no annotation of Pascal VOC with a file name")
        names = [one_name(each.findtext("name") or "") for each in root.findall("object")]
        found.append(PublishedTags(image, {name: True for name in names if name}, whole=True))
    if not found:
        raise _unfit(folder, "holds no XML files of Pascal VOC")
    return found


def read_published(path: Path) -> list[PublishedTags] | None:
    """Whichever of these a path holds; None where it is something else.

    Raises:
        InputError: It is one of them, and cannot be used.
    """
    if path.is_dir():
        return read_voc(path) if any(path.glob("*.xml")) else None
    if path.suffix.lower() != ".csv":
        return None
    head = read_csv(path)[:1]
    return read_open_images(path) if head and set(_OPEN_IMAGES) <= set(head[0]) else None


def _descriptions(path: Path) -> dict[str, str]:
    """Machine-readable name → class name, from the file beside; it has a head in the newer form alone."""
    files = sorted(path.parent.glob(_DESCRIPTIONS))
    if not files:
        raise InputError(
            f"Beside {str(path)!r} lies no {_DESCRIPTIONS}, which names the classes.",
            hint="Put oidv7-class-descriptions.csv there.",
            field="labels",
        )
    rows = (line.partition(",") for line in read_text(files[0], encoding="utf-8-sig").splitlines())
    return {mid: one_name(name.strip('"')) for mid, _, name in rows if mid.startswith("/")}


def _unfit(path: Path, what: str) -> InputError:
    return InputError(f"{str(path)!r} {what}.", hint="Give the set's own files, unchanged.", field="labels")
