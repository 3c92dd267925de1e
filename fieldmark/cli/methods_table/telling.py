"""How a table of methods is said in a terminal.

It knows nothing of how it came about.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.terminal import PlainConsole, row, share, table

if TYPE_CHECKING:
    from fieldmark.evals.table.records import EvalResult, Row


def show(result: "EvalResult", console: PlainConsole) -> None:
    """Say what was measured, a table a setting."""
    for setting in result.settings:
        rows = [each for each in result.rows if each.setting == setting]
        if rows:
            console.say()
            show_setting(result, setting, rows, console)
    console.say(
        f"Intervals resample classes; p is of sign flips of whole classes against {result.baseline}, "
        "adjusted by Holm. Questions and texts are those a method needs, whoever asked first."
    )
    for note in result.notes:
        console.say(note, "bold")
    console.say(f"Run: {result.run}")
    for name in ("report.html", "table.md"):
        if (path := Path(result.run) / name).is_file():
            console.say(f"Table: {path}")


def show_setting(result: "EvalResult", setting: str, rows: Sequence["Row"], console: PlainConsole) -> None:
    """One setting's table, then why methods are missing in it."""
    graded = any(each.tree_distance is not None for each in rows)
    free = any(each.cluster_accuracy is not None for each in rows)
    heads = ["method", "top-1", "95% interval", "vs baseline", "p", "worst group", "ECE"]
    heads += ["tree distance"] if graded else []
    heads += ["cluster accuracy", "similarity"] if free else []
    made = table(
        *heads, "questions", "texts", "seconds",
        title=f"{result.data}, {setting}: {rows[0].images:,} images, {len(rows)} methods",
        words=("method",),
    )  # fmt: skip
    for each in rows:
        if each.outcome != "done":
            continue
        ci = "–" if each.ci95 is None else f"{100 * each.ci95[0]:.1f} to {100 * each.ci95[1]:.1f}"
        cells = [
            each.title,
            share(each.top1),
            ci,
            "–" if each.difference is None else f"{100 * each.difference:+.1f}",
            "–" if each.p_holm is None else f"{each.p_holm:.2g}",
            share(each.worst_group),
            "–" if each.ece is None else f"{each.ece:.3f}",
        ]
        if graded:
            cells.append("–" if each.tree_distance is None else f"{each.tree_distance:.2f}")
        if free:
            cells += [share(each.cluster_accuracy), share(each.semantic_similarity)]
        row(made, *cells, f"{each.llm_requests:,}", f"{each.texts:,}", f"{each.seconds:.1f}")
    console.print(made)
    for each in rows:
        if each.outcome != "done":
            console.say(f"{each.title}: {each.outcome.replace('_', ' ')}: {each.reason}.")
        elif each.reason:
            console.say(f"{each.title}: one of its seeds failed: {each.reason}.")
