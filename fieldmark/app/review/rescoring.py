"""Scores a run anew with what people said of its images; no model is asked."""

from typing import Any

from fieldmark.app.classifier import Classifier
from fieldmark.app.labels import Labels
from fieldmark.app.resolution import Resolution
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder


def rescorer(
    run: RunFolder, labels: Labels, *, device: str | None = None, report: bool | None = None
) -> Classifier:
    """The classifier of a run that asks nothing and uses labels: these, and those it was given before.

    Args:
        run: The run.
        labels: New labels; an empty mapping for those alone that are kept already.
        device: Where it computes; as the run did, where not given.
        report: Whether it is to have a report; as the run did, where not given.
    """
    changed: dict[str, Any] = {} if device is None else {"device": device}
    if report is not None:
        changed["report"] = report
    return Classifier.from_run(run.path, labels=labels, asks=False, **changed)


def score_anew(run: RunFolder, *, progress: Progress = no_progress) -> Resolution:
    """Score a run anew with the labels that are kept, and write its pages.

    Raises:
        RunError: It has not ended, another process works on it, or its images changed.
        InputError: Its rule cannot use labels.
    """
    classifier = rescorer(run, {})
    classifier.progress = progress
    resolution = classifier.resolve()
    if classifier.report:
        write_pages(resolution)
    return resolution


def write_pages(resolution: Resolution) -> None:
    """Write the report of a run, and the page of the images that it asks about."""
    from fieldmark.evals.report.ask import write_ask_page
    from fieldmark.evals.report.classify import write_classify_report

    run = RunFolder(resolution.run)
    write_classify_report(run, resolution.manifest)
    write_ask_page(run)
