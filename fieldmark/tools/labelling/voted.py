"""Makes labelling instructions out of the votes of an exported classifier."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from fieldmark.tools.labelling.document import (
    ClassMark,
    ClassSection,
    LabellingDocument,
    LookAlike,
    ShownImage,
)
from fieldmark.tools.labelling.sections import LOOK_ALIKES, MOST_APART
from fieldmark.tools.learned.guide_table import CSV_FILE, Row

ABOUT = (
    "Marks are what the answers of a language model say, with how many of them say so; those that the fewest "
    f"classes share come first. They may be wrong. All votes are in `{CSV_FILE}`. Images are of the pool, "
    "and the run labelled them so: the first is the most typical, the others differ from it. Nobody checked "
    "them."
)
MOST_MARKS = 8
CONFUSED_FROM = 0.02
"""Two classes are named as look-alikes from this share of probability on."""


def document_of_votes(
    classes: Sequence[str],
    rows: Sequence[Row],
    *,
    noun: str,
    exemplars: Mapping[str, Sequence[str]],
    confusion: Tensor,
) -> LabellingDocument:
    """Each class with its marks, its look-alikes, and images that show it.

    Args:
        classes: The C classes.
        rows: The field guide, an attribute's value with most votes first.
        noun: The generic word for all classes.
        exemplars: Paths of images of each class, the most typical one first.
        confusion: Mean probability of each class over the images of a class [C, C] float32.
    """
    marks: dict[str, dict[str, tuple[str, int]]] = {name: {} for name in classes}
    given: Counter[tuple[str, str]] = Counter()
    for name, attribute, value, votes in rows:
        marks[name].setdefault(attribute, (value, votes))
        given[name, attribute] += votes
    shared = Counter((attribute, value) for own in marks.values() for attribute, (value, _) in own.items())
    likely = confusion.clone()
    likely.fill_diagonal_(0)
    shares, places = likely.topk(min(LOOK_ALIKES, len(likely) - 1), dim=1)

    def in_order(name: str) -> list[str]:
        own = marks[name]
        return sorted(own, key=lambda attribute: (shared[attribute, own[attribute][0]], -own[attribute][1]))

    def look_alike(name: str, other: str) -> LookAlike:
        own, its = marks[name], marks[other]
        apart = [each for each in in_order(name) if each in its and own[each][0] != its[each][0]]
        return LookAlike(
            other=other,
            marks=tuple((each, own[each][0], its[each][0]) for each in apart[:MOST_APART]),
        )

    def section(name: str, rivals: Tensor) -> ClassSection:
        return ClassSection(
            class_name=name,
            marks=tuple(
                ClassMark(attribute=each, value=value, sure=round(votes / given[name, each], 4), votes=votes)
                for each in in_order(name)[:MOST_MARKS]
                for value, votes in [marks[name][each]]
            ),
            look_alikes=tuple(look_alike(name, classes[int(other)]) for other in rivals),
            images=tuple(
                ShownImage(image=path, image_hash="", why="diverse" if at else "typical")
                for at, path in enumerate(exemplars.get(name, ()))
            ),
        )

    sure = shares >= CONFUSED_FROM
    sections = tuple(section(name, places[c][sure[c]]) for c, name in enumerate(classes))
    return LabellingDocument(noun=noun, sections=sections)
