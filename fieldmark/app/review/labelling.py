"""Takes what a person says of one image of a run, and gives all labels back as a table."""

from fieldmark.app.review.review import NONE, UNSURE, RunReview
from fieldmark.errors import InputError
from fieldmark.records import GivenLabel
from fieldmark.tools.runs.csv_table import csv_text
from fieldmark.tools.runs.labels import TAKEN_BACK, append_labels

_HEAD = ("image", "label", "answer", "given_by", "status", "confidence", "image_hash")


def give_label(
    review: RunReview, image_hash: str, *, label: str | None = None, answer: str = "class"
) -> GivenLabel:
    """Keep what a person says of an image in the run's `labels.csv`; of two about one the later counts.

    The run itself is not scored anew.

    Args:
        review: The run.
        image_hash: The image's content hash.
        label: Its class.
        answer: "class", or "none of these" or "cannot tell", which need no label.

    Raises:
        InputError: The run has no such image or class, or there is no such answer.
        RunError: It cannot be written.
    """
    image = review.row(image_hash)
    if answer == "class":
        if label not in review.classes:
            raise InputError("That is none of the run's classes.", hint="Choose one from the list.")
        said = GivenLabel(image=image.image, image_hash=image_hash, answer="class", label=label)
    elif answer in (NONE, UNSURE):
        said = GivenLabel(image=image.image, image_hash=image_hash, answer=answer)
    else:
        raise InputError("There is no such answer.", hint=f"Say a class, {NONE!r} or {UNSURE!r}.")
    append_labels(review.run, [said])
    return said


def take_back(review: RunReview, image_hash: str) -> GivenLabel | None:
    """Take back what was last said of an image; what was said before it does not count again.

    Returns:
        What was taken back; None where nothing was said, as after another tab did it.

    Raises:
        InputError: The run has no such image.
        RunError: It cannot be written.
    """
    image = review.row(image_hash)
    said = review.given.get(image_hash)
    if said is not None:
        back = GivenLabel(image=image.image, image_hash=image_hash, answer=TAKEN_BACK)
        append_labels(review.run, [back])
    return said


def labels_csv(review: RunReview) -> str:
    """All images with the label that counts now, and who gave it, as CSV.

    `given_by` is "person", "model" (a vision-language model) or "run". `label` is empty where an image shows
    none of the classes, or nobody can tell; `answer` says which.
    """
    rows: list[tuple[str | float, ...]] = []
    for p in review.predictions:
        said = review.given.get(p.image_hash)
        if said is not None:
            label, answer, by = said.label or "", said.answer, "person"
        elif p.decision is None:
            label, answer, by = "", NONE, "run"
        else:
            label, answer, by = p.decision, "class", "model" if p.decided_by == "vlm" else "run"
        rows.append((p.image, label, answer, by, p.status, round(p.confidence, 4), p.image_hash))
    return csv_text(_HEAD, rows)
