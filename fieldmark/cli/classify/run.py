"""Runs a classification, new or scored anew."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import resumable

if TYPE_CHECKING:
    from fieldmark.app.classifier import Classifier
    from fieldmark.app.resolution import Resolution

PLAIN_TABLE: Mapping[str, Any] = {"top_k": 1, "all_classes": False}


def run(
    classifier: "Classifier",
    progress: TerminalProgress,
    table: Mapping[str, Any] = PLAIN_TABLE,
    *,
    wait: str | None = None,
) -> "Resolution":
    """Classify, online or by batches, and write table and report; Ctrl-C leaves a run to be resumed."""
    with resumable(progress, command_for(table, wait)):
        if wait:
            from fieldmark.app.batches.waiting import by_batches

            resolution = by_batches(classifier)
        else:
            resolution = classifier.resolve()
        from fieldmark.app.review.sorting import write_label_table
        from fieldmark.tools.runs.folder import RunFolder

        if table != PLAIN_TABLE:
            write_label_table(RunFolder(resolution.run), **table)
        if classifier.report:
            from fieldmark.app.review.rescoring import write_pages

            progress.stage("Writing the report")
            write_pages(resolution)
    return resolution


def command_for(table: Mapping[str, Any], wait: str | None = None) -> str:
    """The command, with the same columns in its table, that asks in the same way."""
    columns = f" --top-k {table['top_k']}" if table["top_k"] > 1 else ""
    columns += " --all-classes" if table["all_classes"] else ""
    return "fieldmark classify" + columns + (f" --wait {wait}" if wait else "")
