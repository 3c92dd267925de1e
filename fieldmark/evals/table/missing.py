"""Says which methods are missing in a table, those with the same reason together.

It knows nothing of how that is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.evals.table.records import Row


@dataclass(frozen=True)
class Missing:
    """Methods that are missing, wholly or in part, for one reason.

    Attributes:
        outcome: "left out", "failed", or "one seed failed" of methods that have a row all the same.
        reason: Why.
        methods: Their titles.
    """

    outcome: str
    reason: str
    methods: tuple[str, ...]


def missing(rows: Sequence[Row]) -> list[Missing]:
    """What is missing among the rows of one setting, in the order of the methods.

    Args:
        rows: All rows of the setting.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.outcome != "done" or row.reason:
            outcome = "one seed failed" if row.outcome == "done" else row.outcome.replace("_", " ")
            found.setdefault((outcome, row.reason), []).append(row.title)
    return [Missing(outcome, reason, tuple(titles)) for (outcome, reason), titles in found.items()]
