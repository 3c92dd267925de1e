"""Reviews the labels of a labelled set by a run that never saw them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.app.labels import Labels, read_examples
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.records import ClassProbabilities, LabelIssue, LabelReview, Prediction
from fieldmark.records.names import plain_name
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.csv_table import csv_text
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.probabilities import all_probabilities
from fieldmark.tools.statistics.label_errors import label_errors

REVIEW = "review.csv"
_HEAD = (
    "image",
    "given",
    "suggested",
    "quality",
    "suggested_probability",
    "why",
    "against",
    "label",
    "image_hash",
)


def review_labels(
    run: RunFolder | Path | str, labels: Labels | None = None, *, out: Path | str = Path("runs")
) -> LabelReview:
    """Find labels that are probably wrong, and write them into the run's folder as `review.csv` and record.

    The run must not have seen the labels: an image whose label a person gave to the run is passed over.

    Args:
        run: A finished run of a classification, its id, or its folder.
        labels: A CSV file, a folder with one folder per class, or a mapping; where not given, an
            image's label is the name of the folder it lies in.
        out: Where run folders are.

    Raises:
        RunError: There is no such run, or it is not finished.
        InputError: No image has a label that is one of the classes, or cleanlab is not installed.
    """
    folder = run if isinstance(run, RunFolder) else RunFolder.open(out, run, kind="classify")
    kept = folder.read(ClassProbabilities.FILE, ClassProbabilities)
    predictions = tuple(folder.read_predictions())
    given = _labels_of(predictions, labels, kept.classes)
    rows = [
        row
        for row, p in enumerate(predictions)
        if p.image_hash in given and p.decided_by not in ("label", "vlm")
    ]
    if not rows:
        raise InputError(
            "The run used all of these labels, so that it cannot judge them."
            if given
            else "No image of the run has a label that is one of its classes.",
            hint="Review them with a run that did not see them."
            if given
            else "Name the folders like the classes, or give the labels as a table.",
            field="labels",
        )
    place = {name: number for number, name in enumerate(kept.classes)}
    probabilities = all_probabilities(kept, ArrayStore(folder.path / "arrays"))[rows]
    own = np.array([place[given[predictions[row].image_hash]] for row in rows], dtype=np.int64)
    found = label_errors(own, probabilities)
    qualities: list[float] = found.quality.tolist()
    issues = [
        _issue(predictions[rows[at]], kept.classes[own[at]], kept.classes, probabilities[at], qualities[at])
        for at in found.places.tolist()
    ]
    named = {issue.image_hash for issue in issues}
    issues += [
        _issue(predictions[row], kept.classes[own[at]], kept.classes, probabilities[at], qualities[at])
        for at, row in enumerate(rows)
        if predictions[row].status == "rejected" and predictions[row].image_hash not in named
    ]
    review = LabelReview(run=folder.run_id, images=len(rows), issues=tuple(issues))
    folder.write(LabelReview.FILE, review)
    folder.write_text(REVIEW, csv_text(_HEAD, [_row(issue) for issue in issues]))
    return review


def _labels_of(
    predictions: Sequence[Prediction], labels: Labels | None, classes: Sequence[str]
) -> Mapping[str, str]:
    """The given class of each image that has one, by content hash."""
    if labels is None:
        names = {plain_name(name): name for name in classes}
        folders = {p.image_hash: names.get(plain_name(Path(p.image).parent.name)) for p in predictions}
        return {digest: name for digest, name in folders.items() if name is not None}
    images = [ImageFile(Path(p.image), p.image_hash) for p in predictions]
    said = read_examples(labels, images, classes).said
    return {digest: name for digest, name in said.items() if name is not None}


def _issue(
    p: Prediction, given: str, classes: Sequence[str], shares: NDArray[np.float32], quality: float
) -> LabelIssue:
    """One label that is probably wrong; no other is suggested where the image fits no class."""
    others = np.where([name == given for name in classes], -1.0, shares)
    best = int(others.argmax())
    rejected = p.status == "rejected"
    return LabelIssue(
        image=p.image,
        image_hash=p.image_hash,
        given=given,
        suggested=None if rejected else classes[best],
        quality=quality,
        suggested_probability=None if rejected else float(shares[best]),
        marks=p.contributions if p.runner_up == given and p.label == classes[best] else (),
    )


def _row(issue: LabelIssue) -> tuple[str | float, ...]:
    share = issue.suggested_probability
    return (
        issue.image,
        issue.given,
        issue.suggested or "none of these",
        round(issue.quality, 6),
        "" if share is None else round(share, 6),
        issue.in_words,
        "|".join(each.attribute for each in issue.marks if each.contribution > 0),
        "",
        issue.image_hash,
    )
