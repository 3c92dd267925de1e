"""Labelling instructions for a set of classes, written for people: marks, look-alikes, pictures."""

from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from fieldmark.records import Record
from fieldmark.tools.markdown import one_line

SHOWN = {
    "typical": "Typical",
    "diverse": "Also so",
    "contrary": "Easily taken for another",
}
"""Why a picture is shown, in words."""
LEAD = (
    "Give each picture the class whose marks it shows. Not every mark can be seen in every picture, and a "
    "mark may be wrong: weigh all that you see. Then look at what sets the class apart from its look-alikes. "
    "If the picture fits none of the classes, say so."
)


class ClassMark(Record):
    """What a class looks like in one attribute."""

    attribute: str
    value: str
    by: Literal["model", "pictures"] = "model"
    """Who says so: the language model, or labelled pictures against what it said."""
    sure: float
    """How sure, 0 to 1."""
    votes: int = 0
    """How many answers say so, where they were counted."""


class LookAlike(Record):
    """A class that is easily taken for this one, and what sets the two apart."""

    other: str
    marks: tuple[tuple[str, str, str], ...]
    """Attribute, value of this class, value of the other; the most telling first."""


class ShownImage(Record):
    """A picture of a class."""

    image: str
    """Where it lies."""
    image_hash: str
    why: Literal["typical", "diverse", "contrary"]
    other: str = ""
    """The class that it is easily taken for."""


class ClassSection(Record):
    """All that is said of one class."""

    class_name: str
    marks: tuple[ClassMark, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()
    images: tuple[ShownImage, ...] = ()


class LabellingDocument(Record):
    """Labelling instructions for a set of classes."""

    FILE: ClassVar[str] = "instructions.json"

    format: Literal["fieldmark.instructions/1"] = Field(
        default="fieldmark.instructions/1", serialization_alias="schema"
    )
    noun: str
    sections: tuple[ClassSection, ...]
    labels: int = 0
    """Labelled pictures that it was written from."""
    corrected: int = 0
    """Marks that the labelled pictures changed."""


def as_markdown(
    document: LabellingDocument,
    *,
    pictures: Mapping[str, str] | None = None,
    within: Collection[str] | None = None,
    about: str = LEAD,
) -> str:
    """The instructions as Markdown.

    Args:
        document: What they say.
        pictures: Content hash → path of the picture beside the document; those that are not in it are left
            out.
        within: Names of the classes to write about; all where not given.
        about: What stands above the classes.

    An image without a hash is named by its path.
    """
    parts = [
        f"# How to tell {len(document.sections):,} classes of {one_line(document.noun)} apart",
        "",
        about,
    ]
    for section in document.sections:
        if within is None or section.class_name in within:
            parts += _section(section, pictures or {})
    return "\n".join(parts) + "\n"


def _section(section: ClassSection, pictures: Mapping[str, str]) -> list[str]:
    parts = ["", f"## {one_line(section.class_name)}", ""]
    parts += [
        f"- {one_line(mark.attribute)}: **{one_line(mark.value)}**{_votes(mark.votes)}"
        for mark in section.marks
    ]
    parts += [] if section.marks else ["- Nothing was said of it."]
    apart = [each for each in section.look_alikes if each.marks]
    if apart:
        parts += ["", "Look-alikes:", ""]
    for each in apart:
        said = "; ".join(
            f"{one_line(attribute)} **{one_line(own)}**, not {one_line(its)}"
            for attribute, own, its in each.marks
        )
        parts.append(f"- Not {one_line(each.other)}: {said}")
    shown = [each for each in section.images if each.image_hash in pictures or not each.image_hash]
    if shown:
        parts += ["", "Pictures:", ""]
    for each in shown:
        picture = (
            f"![{SHOWN[each.why]}]({pictures[each.image_hash]})" if each.image_hash else one_line(each.image)
        )
        parts.append(f"- {in_words(each)}: {picture}")
    return parts


def _votes(count: int) -> str:
    return f" ({count:,} vote{'s' * (count != 1)})" if count else ""


def in_words(image: ShownImage) -> str:
    """Why a picture is shown."""
    return f"Easily taken for {one_line(image.other)}" if image.other else SHOWN[image.why]
