"""CVAT: image tags in "CVAT for images 1.1", with confidence and status as attributes of the tag."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.people import NONE_OF_THESE, PERSON, RUN

_CONFIDENCE, _STATUS, _HASH = "confidence", "status", "image_hash"
_PEOPLES = ("manual", "consensus")
"""Sources of tags that people gave; CVAT merges what several said into one of its own."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_cvat(images: Sequence[TaggedImage], *, classes: Sequence[str], made_by: str) -> str:
    """An XML file with one tag an image; an image without a label has none.

    Args:
        images: The images.
        classes: The classes; "none of these" is a label, too, where an image has it.
        made_by: The run.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    ET.SubElement(task, "name").text = made_by
    labels = ET.SubElement(task, "labels")
    none = (NONE_OF_THESE,) if any(image.label == NONE_OF_THESE for image in images) else ()
    for name in (*classes, *none):
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = _in_xml(name)
        ET.SubElement(label, "type").text = "tag"
        attributes = ET.SubElement(label, "attributes")
        for said in (_CONFIDENCE, _STATUS, _HASH):
            attribute = ET.SubElement(attributes, "attribute")
            parts = {
                "name": said,
                "mutable": "False",
                "input_type": "text",
                "default_value": "",
                "values": "",
            }
            for part, text in parts.items():
                ET.SubElement(attribute, part).text = text
    for number, image in enumerate(images):
        size = {"width": str(image.width), "height": str(image.height)}
        node = ET.SubElement(root, "image", {"id": str(number), "name": _in_xml(image.path), **size})
        if image.label:
            source = "manual" if image.by == PERSON else "auto"
            tag = ET.SubElement(node, "tag", {"label": _in_xml(image.label), "source": source})
            sure = "" if image.confidence is None else str(image.confidence)
            for name, said in ((_CONFIDENCE, sure), (_STATUS, image.status), (_HASH, image.content_hash)):
                if said:
                    ET.SubElement(tag, "attribute", {"name": name}).text = said
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _in_xml(text: str) -> str:
    r"""A text with what XML cannot hold spelled out, as "\x01"; tables spell it so, too."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def read_cvat(text: str) -> Iterator[TaggedImage]:
    """The images of such a file, each with its tags; several leave `label` empty.

    Beside a tag that a person gave those of models do not count.

    Raises:
        ValueError: It is no such XML.
    """
    try:
        # Expat bounds how far entities may blow a file up, and no outside file is read.
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    if root.tag != "annotations":
        raise ValueError(f"its root is <{root.tag}>, not <annotations>")
    for image in root.iter("image"):
        every = image.findall("tag")
        people = [tag for tag in every if not _by_model(tag)]
        tags = people or every
        labels = tuple(dict.fromkeys(tag.get("label", "") for tag in tags))
        said = {each.get("name"): each.text or "" for tag in tags[:1] for each in tag.findall("attribute")}
        yield TaggedImage(
            path=image.get("name", ""),
            label=labels[0] if len(labels) == 1 else "",
            labels=labels,
            content_hash=said.get(_HASH, ""),
            confidence=float(said[_CONFIDENCE]) if said.get(_CONFIDENCE) else None,
            status=said.get(_STATUS, ""),
            by=PERSON if people else RUN if tags else "",
            width=int(image.get("width") or 0),
            height=int(image.get("height") or 0),
        )


def _by_model(tag: ET.Element) -> bool:
    """Whether a model gave a tag: it says so, or, where a tool in between left that out, how sure it is."""
    if source := tag.get("source"):
        return source.strip().casefold() not in _PEOPLES
    return any(each.get("name") == _CONFIDENCE for each in tag.findall("attribute"))
