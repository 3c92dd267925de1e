"""Says which rows of a setting stand in one table, and which methods are missing in it and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.evals.table.records import Row


@dataclass(frozen=True)
class Missing:
    """Methods that are missing, wholly or in part, for one reason.

    Attributes:
        outcome: "left out", "failed", or "one seed failed" of methods that have a row all the same.
        reason: Why.
        rows: Their rows.
    """

    outcome: str
    reason: str
    rows: tuple[Row, ...]


def tables(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows that were measured, as one table or as two.

    Methods that predict none of the given classes but find words of their own are measured by other figures.
    They have a table of their own, unless those beside them are measured by these figures too.
    """
    done = [row for row in rows if row.outcome == "done"]
    free = [row for row in done if row.top1 is None and row.cluster_accuracy is not None]
    named = [row for row in done if row not in free]
    if not free or all(row.cluster_accuracy is not None for row in named):
        return [done] if done else []
    return [named, free]


def missing(rows: Sequence[Row]) -> list[Missing]:
    """What is missing among the rows of one setting, in the order of the methods."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.outcome != "done" or row.reason:
            outcome = "one seed failed" if row.outcome == "done" else row.outcome.replace("_", " ")
            found.setdefault((outcome, row.reason), []).append(row)
    return [Missing(outcome, reason, tuple(of)) for (outcome, reason), of in found.items()]
