"""Runs a classification, new or scored anew, and refuses options that the others leave no use for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import resumable
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.app import Classifier, Resolution

PLAIN_TABLE: Mapping[str, Any] = {"top_k": 1, "all_classes": False}


def run(
    classifier: "Classifier", progress: TerminalProgress, table: Mapping[str, Any] = PLAIN_TABLE
) -> "Resolution":
    """Classify, and write table and report; Ctrl-C leaves a run to be resumed."""
    with resumable(progress, command_for(table)):
        resolution = classifier.resolve()
        from fieldmark.app.sorting import write_label_table
        from fieldmark.tools.runs.folder import RunFolder

        if table != PLAIN_TABLE:
            write_label_table(RunFolder(resolution.run), **table)
        if classifier.report:
            from fieldmark.evals.report import write_ask_page, write_classify_report

            progress.stage("Writing the report")
            write_classify_report(RunFolder(resolution.run), resolution.manifest)
            write_ask_page(RunFolder(resolution.run))
    return resolution


def command_for(table: Mapping[str, Any]) -> str:
    """The command, with the same columns in its table."""
    columns = f" --top-k {table['top_k']}" if table["top_k"] > 1 else ""
    return "fieldmark classify" + columns + (" --all-classes" if table["all_classes"] else "")


def refuse_idle(
    loop: dict[str, Any],
    *,
    book: Path | None = None,
    limits: dict[str, Any] | None = None,
    shown: bool = False,
    tree: str | None = None,
) -> None:
    """Refuse options that the others leave no use for, rather than pass them over.

    Raises:
        InputError: One has no effect.
    """
    rule = loop.get("candidates", "margin")
    for name, its_rule in (("tau", "margin"), ("alpha", "conformal")):
        if name in loop and rule != its_rule:
            raise InputError(
                f"--{name} is of no use to {rule} candidates.",
                hint=f"Leave it out, or choose --candidates {its_rule}.",
            )
    unsaid = "evidence" if rule == "margin" and loop.get("max_rounds") != 0 else "table"
    by_evidence = loop.get("rule", unsaid) == "evidence"
    for name in ("risk", "reject", "second_opinions", "ask_labels"):
        if name in loop and not by_evidence and not (tree and name == "risk"):
            raise InputError(
                f"--{name.replace('_', '-')} is of no use to this rule.",
                hint="Leave it out, or leave out what chooses another rule than evidence"
                + (", or give a --tree." if name == "risk" else "."),
            )
    if book is not None and loop.get("start") in ("names", "descriptors"):
        raise InputError(
            f"A run that starts from {loop['start']} uses none of a book's prompts.",
            hint="Leave --start out to start from the book; or leave the book out, and give --classes.",
        )
    first_is_free = tree != "ask" and (book is not None or loop.get("start") == "names")
    if limits and not shown and first_is_free and loop.get("max_rounds") == 0:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in limits)
        raise InputError(
            f"Nothing is asked in this run, so that {named} can limit nothing.",
            hint="Leave that out, or allow rounds with --max-rounds.",
        )
