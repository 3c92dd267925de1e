"""COCO: the label of a whole image as an annotation whose box is the image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.people import NONE_OF_THESE, PERSON, RUN, by_person


def write_coco(images: Sequence[TaggedImage], *, classes: Sequence[str], made_by: str) -> str:
    """A COCO file: images, categories 1 to C in the order of the classes, an annotation for each label.

    An image of none of the classes has no annotation, as COCO has it; `attributes` says so.

    Args:
        images: The images.
        classes: The classes.
        made_by: The run.
    """
    place = {name: number for number, name in enumerate(classes, 1)}
    found: dict[str, Any] = {
        "info": {"description": made_by},
        "images": [
            {
                "id": number,
                "file_name": image.path,
                "width": image.width,
                "height": image.height,
                "attributes": {
                    "image_hash": image.content_hash,
                    "status": image.status,
                    "none_of_these": image.label == NONE_OF_THESE,
                    "by": image.by,
                    "confidence": image.confidence,
                },
            }
            for number, image in enumerate(images, 1)
        ],
        "categories": [{"id": number, "name": name} for name, number in place.items()],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": place[image.label],
                "bbox": [0, 0, image.width, image.height],
                "area": image.width * image.height,
                "iscrowd": 0,
                "score": image.confidence,
                "attributes": {"by": image.by},
            }
            for number, image in enumerate(images, 1)
            if image.label in place
        ],
    }
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def read_coco(found: Mapping[str, Any]) -> Iterator[TaggedImage]:
    """The images of a COCO file, each with the categories of its annotations; several leave `label` empty.

    An annotation with a score is a model's, unless its attributes say that a person gave it. Beside one of a
    person those of models do not count.

    Raises:
        KeyError, TypeError, ValueError: It has another form.
    """
    names = {each["id"]: str(each["name"]) for each in found["categories"]}
    if len(names) < len(found["categories"]):
        raise ValueError("two categories have the same id")
    own: dict[Any, list[Mapping[str, Any]]] = {}
    for each in found.get("annotations", ()):
        own.setdefault(each["image_id"], []).append(each)
    for image in found["images"]:
        every = own.get(image["id"], [])
        people = [each for each in every if by_person(_attributes(each).get("by"), each.get("score"))]
        said = people or every
        kinds = tuple(dict.fromkeys(names[each["category_id"]] for each in said))
        attributes = _attributes(image)
        none = NONE_OF_THESE if attributes.get("none_of_these") and not said else ""
        person = people or (none and by_person(attributes.get("by", RUN)))
        yield TaggedImage(
            path=str(image["file_name"]),
            label=kinds[0] if len(kinds) == 1 else none,
            labels=kinds,
            content_hash=str(attributes.get("image_hash", "")),
            confidence=said[0].get("score") if said else attributes.get("confidence"),
            status=str(attributes.get("status", "")),
            by=PERSON if person else RUN if said or none else "",
            width=int(image.get("width") or 0),
            height=int(image.get("height") or 0),
        )


def _attributes(each: Mapping[str, Any]) -> Mapping[str, Any]:
    return each.get("attributes") or {}
