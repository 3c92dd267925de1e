"""Writes the page of a classification with several labels an image: the classes, and images of each."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import MOST_PICTURES, Pictures
from fieldmark.records.label_sets import ClassThreshold, LabelSet, LabelSets
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder

PAGE = "report.html"
SHOWN_OF_CLASS = 4
MOST_CLASSES = 200
"""The most classes that the page lists; the table has them all."""


@dataclass(frozen=True)
class ShownSet:
    """One image as the page shows it: its labels, each with how likely it is."""

    image: LabelSet
    file: str
    picture: str | None
    labels: tuple[tuple[str, float], ...]


def write_multi_label_page(run: RunFolder, found: LabelSets) -> Path:
    """Write `report.html` into a run's folder.

    Shown are, of each class, images spread from its likeliest to the one that barely shows it.

    Raises:
        RunError: It cannot be written.
    """
    pictures = Pictures(copies=run.path / COPIES)
    chosen: dict[str, LabelSet] = {}
    of_class: dict[str, list[tuple[float, LabelSet]]] = {}
    for each in found.images:
        for name, share in zip(each.labels, each.probabilities, strict=True):
            of_class.setdefault(name, []).append((share, each))
    for of in found.classes[:MOST_PICTURES]:
        holding = [each for _, each in sorted(of_class.get(of.class_name, ()), key=_falling)]
        step = max(1, (len(holding) - 1) // (SHOWN_OF_CLASS - 1))
        chosen |= {each.image_hash: each for each in holding[::step][:SHOWN_OF_CLASS]}
    html = render(
        "multi_label.html",
        run=run.path,
        run_id=run.run_id,
        found=found,
        with_label=sum(bool(each.labels) for each in found.images),
        classes=sorted(found.classes, key=_by_images)[:MOST_CLASSES],
        shown=[
            ShownSet(
                image=each,
                file="/".join(PurePath(each.image).parts[-2:]),
                picture=pictures.of(each.image, each.image_hash),
                labels=tuple(zip(each.labels, each.probabilities, strict=True)),
            )
            for each in list(chosen.values())[:MOST_PICTURES]
        ],
    )
    return write_page(run.path / PAGE, html)


def _falling(shown: tuple[float, LabelSet]) -> float:
    return -shown[0]


def _by_images(of: ClassThreshold) -> tuple[int, str]:
    return -of.images, of.class_name
