"""FiftyOne: one classification an image, in the labels file of its FiftyOneImageClassificationDataset."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldmark.reading import read_text
from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.people import NONE_OF_THESE, PERSON, RUN, by_person

_MEDIA = "data"
"""Beside its labels FiftyOne keeps images in this folder, or says in a file of this name where they are."""


def write_fiftyone(images: Sequence[TaggedImage], places: Sequence[str], *, classes: Sequence[str]) -> str:
    """A labels file: whole path → label, confidence and attributes; null where an image has no label.

    Args:
        images: The images.
        places: The whole path of each.
        classes: The classes; "none of these" is a label, too, where an image has it.
    """
    none = (NONE_OF_THESE,) if any(image.label == NONE_OF_THESE for image in images) else ()
    labels = {
        place: {
            "label": image.label,
            **({} if image.confidence is None else {"confidence": image.confidence}),
            "attributes": {"status": image.status, "by": image.by, "image_hash": image.content_hash},
        }
        if image.label
        else None
        for image, place in zip(images, places, strict=True)
    }
    return json.dumps({"classes": [*classes, *none], "labels": labels}, ensure_ascii=False, indent=1) + "\n"


def read_fiftyone(found: Mapping[str, Any], beside: Path) -> Iterator[TaggedImage]:
    """The images of such a file, each with its classes; several leave `label` empty.

    A label with a confidence is a model's, unless its attributes say that a person gave it. Of a list each is
    judged by itself, and beside one of a person those of models do not count.

    Args:
        found: What is in the file.
        beside: The file: images that have no whole path lie beside it.

    Raises:
        KeyError, TypeError, ValueError, IndexError, OSError: It has another form.
    """
    places = _places(beside)
    for key, target in found["labels"].items():
        said = [each for each in (target if isinstance(target, list) else [target]) if each is not None]
        every = [each if isinstance(each, Mapping) else {"label": each} for each in said]
        every = [each for each in every if each["label"] is not None]
        people = [each for each in every if by_person(_attributes(each).get("by"), each.get("confidence"))]
        whole = people or every
        kinds = tuple(dict.fromkeys(_name(each["label"], found.get("classes")) for each in whole))
        first = whole[0] if whole else {}
        attributes = _attributes(first)
        confidence = first.get("confidence")
        yield TaggedImage(
            path=str(places.get(key, key)),
            label=kinds[0] if len(kinds) == 1 else "",
            labels=kinds,
            content_hash=str(attributes.get("image_hash", "")),
            confidence=None if confidence is None else float(confidence),
            status=str(attributes.get("status", "")),
            by=PERSON if people else RUN if whole else "",
        )


def _attributes(each: Mapping[str, Any]) -> Mapping[str, Any]:
    return each.get("attributes") or {}


def _name(label: object, classes: Sequence[object] | None) -> str:
    """A label that is a number is a place among the classes."""
    if isinstance(label, int) and classes:
        if not 0 <= label < len(classes):
            raise IndexError(f"the label {label} is none of its {len(classes)} classes")
        return str(classes[label])
    return str(label)


def _places(beside: Path) -> dict[str, str]:
    """Name of an image without its suffix → where it is, from the labels file's folder."""
    folder, listed = beside.with_name(_MEDIA), beside.with_name(f"{_MEDIA}.json")
    if folder.is_dir():
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        found = {each.relative_to(folder).as_posix(): each.relative_to(beside.parent) for each in files}
    elif listed.is_file():
        found = json.loads(read_text(listed))
    else:
        return {}
    return {str(Path(name).with_suffix("")): str(place) for name, place in found.items()}
