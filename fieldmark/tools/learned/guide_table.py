"""The field guide as a table for people and other programs: JSON and CSV, a row for each class and value."""

import json

from fieldmark.tools.runs.csv_table import csv_text
from fieldmark.tools.scoring.field_guide import FieldGuide

JSON_FILE, CSV_FILE = "field_guide.json", "field_guide.csv"
COLUMNS = ("class", "attribute", "value", "votes")

Row = tuple[str, str, str, int]
"""Class, attribute, value, votes."""


def guide_rows(guide: FieldGuide | None) -> list[Row]:
    """What was voted, class by class; of each attribute the most voted value first."""
    if guide is None:
        return []
    counts = guide.counts
    voted = counts.nonzero().tolist()
    voted.sort(key=lambda at: (at[0], at[1], -float(counts[at[0], at[1], at[2]]), at[2]))
    return [
        (guide.classes[c], guide.attributes[t], guide.values[t][v], int(counts[c, t, v])) for c, t, v in voted
    ]


def guide_files(guide: FieldGuide | None, *, noun: str) -> dict[str, bytes]:
    """`field_guide.json` and `field_guide.csv`."""
    rows = guide_rows(guide)
    table = {
        "format": "fieldmark.field-guide/1",
        "noun": noun,
        "rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows],
    }
    return {
        JSON_FILE: (json.dumps(table, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace"),
        CSV_FILE: csv_text(list(COLUMNS), [list(row) for row in rows]).encode("utf-8", "replace"),
    }
