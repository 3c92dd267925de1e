"""The page of labelling instructions: each class with its marks, its look-alikes and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fieldmark.evals.report.page import render
from fieldmark.evals.report.pictures import Pictures
from fieldmark.evals.report.words import plural
from fieldmark.records import Concept, Definition, Label
from fieldmark.tools.concepts.instructions import rules_of
from fieldmark.tools.labelling.document import LEAD, SHOWN, LabellingDocument, LookAlike

LONGEST_SIDE = 240
"""Of a picture, in pixels."""
MOST_PICTURES = 240


@dataclass(frozen=True)
class ShownPart:
    """One part of the page.

    Attributes:
        title: What it is about.
        pictures: What is said of each picture, and its data URL.
        rows: What is said: the first words, and what is to be seen.
        notes: Sentences below.
    """

    title: str
    pictures: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def class_page(document: LabellingDocument) -> str:
    """The page of a set of classes as HTML; it holds its pictures, and loads nothing."""
    made = Pictures(MOST_PICTURES, longest_side=LONGEST_SIDE)
    parts = [
        ShownPart(
            section.class_name,
            _shown(
                made,
                (
                    (
                        f"Easily taken for {each.other}" if each.other else SHOWN[each.why],
                        each.image,
                        each.image_hash,
                    )
                    for each in section.images
                ),
            ),
            tuple((mark.attribute, mark.value) for mark in section.marks),
            tuple(_apart(each) for each in section.look_alikes if each.marks),
        )
        for section in document.sections
    ]
    labels, corrected = plural(document.labels, "labelled picture"), plural(document.corrected, "mark")
    return render(
        "instructions.html",
        title=f"How to tell {plural(len(parts), 'class', 'classes')} of {document.noun} apart",
        lead=LEAD,
        parts_shown=parts,
        source=f"Written from the answers of a language model and {labels}, which changed {corrected}.",
    )


def concept_page(
    concept: Concept, definition: Definition, labels: Mapping[str, Label], files: Mapping[str, str]
) -> str:
    """The page of a concept: its rules, and pictures that are in or out.

    Args:
        concept: The concept.
        definition: Its rules.
        labels: The owner's labels of the pictures that are shown, by content hash.
        files: Where these pictures lie, by content hash.
    """
    made = Pictures(MOST_PICTURES, longest_side=LONGEST_SIDE)
    parts = [
        ShownPart(f"{number}. {title}", rows=tuple(("", clause.text) for clause in clauses), notes=(said,))
        for number, (title, said, clauses) in enumerate(rules_of(definition), 1)
    ]
    for value, title in (("in", "Pictures that are in"), ("out", "Pictures that are out")):
        own = [image for image, label in labels.items() if label.value == value and image in files]
        shown = _shown(made, ((labels[image].reason or value, files[image], image) for image in own))
        parts += [ShownPart(title, shown)] if shown else []
    return render(
        "instructions.html",
        title=f"How to label: {concept.name}",
        lead=concept.purpose or "Go through the rules in this order, and stop as soon as one decides.",
        parts_shown=parts,
        source=f"Version {concept.current} of the concept.",
    )


def _shown(made: Pictures, images: Iterable[tuple[str, str, str]]) -> tuple[tuple[str, str], ...]:
    found = ((said, made.of(path, content_hash)) for said, path, content_hash in images)
    return tuple((said, url) for said, url in found if url is not None)


def _apart(other: LookAlike) -> str:
    rows: Sequence[str] = [f"{attribute} {own}, not {its}" for attribute, own, its in other.marks]
    return f"Not {other.other}: {'; '.join(rows)}."
