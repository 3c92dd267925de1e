"""Writes the report of a classification: what was resolved and why, and what stays open."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from fieldmark.errors import RunError
from fieldmark.evals.metrics.graded import graded_error
from fieldmark.evals.report import figures
from fieldmark.evals.report.confusion import confusions, label_changes
from fieldmark.evals.report.gallery import gallery
from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import Pictures
from fieldmark.evals.report.sections import matrices, outcome, round_rows
from fieldmark.records import Prediction, PromptBook, RejectedGroup, RejectedGroups, RunManifest
from fieldmark.records.predictions import counts_by_label
from fieldmark.tools.datasets.class_tree import TREE, ClassTree
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.rounds import read_rounds

REPORT = "report.html"
LOOP = "resolve"
"""What a run's configuration calls the loop."""
MOST_OPEN = 300
MOST_SKIPPED = 300
MOST_BRANCHES = 40
MOST_GROUPS, SHOWN_OF_GROUP = 12, 6


@dataclass(frozen=True)
class OpenImage:
    """One image that a person should look at."""

    file: str
    prediction: Prediction


@dataclass(frozen=True)
class LikeImages:
    """Rejected images that look alike, with small pictures of the most typical ones."""

    group: RejectedGroup
    file: str
    pictures: tuple[str, ...]


def write_classify_report(run: RunFolder, manifest: RunManifest) -> Path:
    """Write `report.html` from the files of a finished classification.

    Args:
        run: The run's folder, with predictions, events and the prompt book.
        manifest: Its manifest.

    Returns:
        Path of the report.

    Raises:
        RunError: A file of the run is missing or broken, or the report cannot be written.
    """
    predictions = tuple(run.read_predictions())
    if not predictions:
        raise RunError(f"{str(run.path)!r} has no predictions to report.")
    book = run.read("book.json", PromptBook)
    tree = run.read(TREE, ClassTree) if (run.path / TREE).is_file() else None
    html = render(
        "classify.html",
        run=run.path,
        run_id=run.run_id,
        manifest=manifest,
        method=method_of(run),
        book=book,
        random_weights=manifest.encoder.get("random_weights") is True,
        outcome=outcome(predictions),
        labels=counts_by_label(predictions),
        graded=graded_error([(predictions, tree)]) if tree else None,
        branches=Counter(p.coarse_label for p in predictions if p.coarse_label).most_common(MOST_BRANCHES),
        rounds=round_rows(read_rounds(run.path)),
        confusions=(found := confusions(predictions)),
        matrices=matrices(found),
        changes=label_changes(predictions),
        groups=gallery(predictions, Pictures(copies=run.path / COPIES)),
        folder=(folder := common_folder(predictions)),
        place=PurePath(folder).name,
        alike=like_images(run, folder),
        open_images=open_images(predictions, folder)[:MOST_OPEN],
        skipped=manifest.skipped[:MOST_SKIPPED],
        example=example_descriptors(book),
        bar=figures.share,
    )
    return write_page(run.path / REPORT, html)


def method_of(run: RunFolder) -> str:
    """The method that labelled the images; empty where it was the loop."""
    method = str(run.config.options.get("method") or LOOP)
    return "" if method == LOOP else method


def like_images(run: RunFolder, folder: str) -> list[LikeImages]:
    """The largest groups of rejected images; none of a run from before there were any."""
    if not (run.path / RejectedGroups.FILE).is_file():
        return []
    pictures = Pictures(copies=run.path / COPIES)
    return [
        LikeImages(
            group,
            _inside(group.images[0], folder),
            tuple(
                url
                for name, digest in zip(group.images, group.image_hashes[:SHOWN_OF_GROUP], strict=False)
                if (url := pictures.of(name, digest))
            ),
        )
        for group in run.read(RejectedGroups.FILE, RejectedGroups).groups[:MOST_GROUPS]
    ]


def open_images(predictions: Sequence[Prediction], folder: str) -> list[OpenImage]:
    """What is open or rejected, the least certain first.

    Args:
        predictions: All predictions.
        folder: Common folder of the images, left out of their names.
    """
    waiting = sorted((p for p in predictions if p.status != "resolved"), key=lambda p: p.confidence)
    return [OpenImage(file=_inside(p.image, folder), prediction=p) for p in waiting]


def common_folder(predictions: Sequence[Prediction]) -> str:
    """The folder that all images lie in; "" where there is none."""
    folders = [os.path.dirname(p.image) for p in predictions]  # noqa: PTH120 (names as given, not paths here)
    try:
        return os.path.commonpath(folders)
    except ValueError:  # absolute and relative names, or two drives
        return ""


def example_descriptors(book: PromptBook, most: int = 6) -> tuple[str, ...]:
    """The attributes that the book speaks of most."""
    seen: dict[str, int] = {}
    for prompt in book.prompts:
        if prompt.origin.attribute:
            seen[prompt.origin.attribute] = seen.get(prompt.origin.attribute, 0) + 1
    return tuple(sorted(seen, key=lambda name: (-seen[name], name))[:most])


def _inside(image: str, folder: str) -> str:
    path = PurePath(image)
    return str(path.relative_to(folder)) if folder and path.is_relative_to(folder) else image
