"""Runs a classification, a new one or one that is scored anew, and writes its report."""

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.cli.exit_codes import resumable
from fieldmark.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from fieldmark.app import Classifier, Resolution

PLAIN_TABLE: Mapping[str, Any] = {"top_k": 1, "all_classes": False}


def run(
    classifier: "Classifier", progress: TerminalProgress, table: Mapping[str, Any] = PLAIN_TABLE
) -> "Resolution":
    """Classify, and write table and report; Ctrl-C leaves a run to be resumed."""
    with resumable(progress, partial(again, table=table)):
        resolution = classifier.resolve()
        from fieldmark.app.sorting import write_label_table
        from fieldmark.tools.runs.folder import RunFolder

        if table != PLAIN_TABLE:
            write_label_table(RunFolder(resolution.run), **table)
        if classifier.report:
            from fieldmark.evals.report import write_classify_report

            progress.stage("Writing the report")
            write_classify_report(RunFolder(resolution.run), resolution.manifest)
    return resolution


def again(folder: Path, table: Mapping[str, Any] = PLAIN_TABLE) -> str:
    """The command that goes on with a run, with the same columns in its table."""
    parent = folder.parent
    where = "" if parent == Path("runs") else f" --out {shlex.quote(str(parent))}"
    columns = f" --top-k {table['top_k']}" if table["top_k"] > 1 else ""
    columns += " --all-classes" if table["all_classes"] else ""
    return f"fieldmark classify --resume {shlex.quote(folder.name)}{where}{columns}"
