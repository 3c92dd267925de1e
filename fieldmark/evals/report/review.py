"""Writes the page of the labels that are probably wrong, with pictures and the marks against them."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import Pictures
from fieldmark.records import LabelIssue, LabelReview
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder

PAGE = "review.html"
MOST = 200
"""The most labels on the page; the table has them all."""
MOST_MARKS = 4


@dataclass(frozen=True)
class ShownIssue:
    """One label as the page shows it.

    Attributes:
        issue: What was found.
        file: Name of the file and of its folder.
        picture: Data URL, or None.
        marks: What speaks against the label most.
    """

    issue: LabelIssue
    file: str
    picture: str | None
    marks: tuple[str, ...]


def write_review_page(run: RunFolder, review: LabelReview) -> Path:
    """Write `review.html` into a run's folder.

    Raises:
        RunError: It cannot be written.
    """
    pictures = Pictures(copies=run.path / COPIES)
    html = render(
        "review.html",
        run=run.path,
        run_id=run.run_id,
        review=review,
        issues=[
            ShownIssue(
                issue=each,
                file="/".join(PurePath(each.image).parts[-2:]),
                picture=pictures.of(each.image, each.image_hash),
                marks=_against(each),
            )
            for each in review.issues[:MOST]
        ],
    )
    return write_page(run.path / PAGE, html)


def _against(issue: LabelIssue) -> tuple[str, ...]:
    """The weightiest marks against the label, in words."""
    found = [each for each in issue.marks if each.contribution > 0][:MOST_MARKS]
    return tuple(
        f"{each.attribute}: {each.label_value}, not {each.runner_up_value}"
        if each.label_value and each.runner_up_value
        else each.label_value or each.attribute
        for each in found
    )
