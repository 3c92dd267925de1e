"""Writes labelling instructions for a concept: a document for other people or models."""

from collections.abc import Mapping, Sequence

from fieldmark.records import Clause, ClauseRole, Concept, Definition, Label
from fieldmark.tools.concepts.changes import MISREAD, misread_images, settled_answers
from fieldmark.tools.markdown import one_line

_RULES: tuple[tuple[ClauseRole, str, str], ...] = (
    ("necessary", "What must hold", "An image is in only if all of these hold:"),
    ("positive", "What suffices", "Of these at least one must hold:"),
    ("negative", "What rules an image out", "An image is out as soon as any of these holds:"),
)
MOST_CASES = 24
"""The most decided cases in the document."""
MOST_MISREAD = 4
"""The most images named for a clause that was misread."""


def instructions_of(
    concept: Concept,
    definition: Definition,
    *,
    labels: Mapping[str, Label],
    exemplars: Mapping[str, str],
    described: Mapping[str, str],
) -> str:
    """The instructions as Markdown.

    Args:
        concept: The concept, for its name, purpose and decisions.
        definition: The clauses.
        labels: The owner's labels outside of the blind test, by content hash.
        exemplars: Content hash → path of the picture beside the document, for the images in the document.
        described: Content hash → what is to be seen in a picture, where somebody said so.
    """
    parts = [f"# How to label: {one_line(concept.name)}", ""]
    if concept.purpose.strip():
        parts += [f"*{one_line(concept.purpose)}*", ""]
    parts += [
        "Label each image **in** or **out**; label it **unsure** only where the image does not show what the",
        "rules ask for. Go through the rules in this order and stop as soon as one decides.",
        "",
    ]
    if not definition.active:
        parts += [f"There is one rule: the image shows {one_line(concept.name)}.", ""]
    for number, (title, said, clauses) in enumerate(rules_of(definition), 1):
        parts += [f"## {number}. {title}", "", said, "", *(f"- {one_line(c.text)}" for c in clauses), ""]
    parts += ["Otherwise the image is in.", ""] if definition.active else []
    parts += _answers(concept)
    parts += _misread(concept, definition, described)
    parts += _cases(labels, described)
    parts += _pictures(labels, exemplars, described)
    return "\n".join(parts).rstrip() + "\n"


def exemplar_hashes(labels: Mapping[str, Label]) -> list[str]:
    """Images to show: up to four that are in and four that are out, those with a reason first."""
    chosen: list[str] = []
    for value in ("in", "out"):
        own = [image for image, label in labels.items() if label.value == value]
        chosen += sorted(own, key=lambda image: (not labels[image].reason, image))[:4]
    return chosen


def rules_of(definition: Definition) -> list[tuple[str, str, tuple[Clause, ...]]]:
    """The active clauses by what they decide, in the order to go through them: title, sentence, clauses."""
    found = [(title, said, definition.of_role(role)) for role, title, said in _RULES]
    return [section for section in found if section[2]]


def _answers(concept: Concept) -> list[str]:
    asked = {question: answer for question, answer in settled_answers(concept).items() if answer.strip()}
    if not asked:
        return []
    rows = [f"- {one_line(question)} **{one_line(answer)}**" for question, answer in asked.items()]
    return ["## Questions that were settled", "", *rows, ""]


def _misread(concept: Concept, definition: Definition, described: Mapping[str, str]) -> list[str]:
    """Clauses that an annotator misread in an image, with the images: where the next one is to look twice."""
    found = misread_images(concept)
    rows: list[str] = []
    for clause in definition.active:
        for label in found.get(clause.id, ())[-MOST_MISREAD:]:
            why = label.reason.removeprefix(MISREAD).strip(" :")
            image = one_line(described.get(label.image, "an image"))
            said_why = f" ({one_line(why)})" if why else ""
            rows.append(
                f"- {one_line(clause.text)} Misread in {image}, which is **{label.value}**{said_why}."
            )
    if not rows:
        return []
    said = "A model got these rules wrong in these images. The rules are right: look twice."
    return ["## What is easily misread", "", said, "", *rows, ""]


def _cases(labels: Mapping[str, Label], described: Mapping[str, str]) -> list[str]:
    """Cases with a reason: what the owner decided, and why."""
    cases = [
        (image, label)
        for image, label in labels.items()
        if label.reason.strip() and label.value != "unsure" and not label.misread
    ]
    if not cases:
        return []
    rows = [
        f"- **{label.value}**: {one_line(described.get(image, 'an image'))} ({one_line(label.reason)})"
        for image, label in cases[-MOST_CASES:]
    ]
    return ["## Decided cases", "", *rows, ""]


def _pictures(
    labels: Mapping[str, Label], exemplars: Mapping[str, str], described: Mapping[str, str]
) -> list[str]:
    if not exemplars:
        return []
    rows: Sequence[str] = [
        f"- **{labels[image].value}**: ![{one_line(described.get(image, labels[image].value))}]({path})"
        for image, path in exemplars.items()
    ]
    return ["## Pictures", "", *rows, ""]
