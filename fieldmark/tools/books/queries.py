"""Reads INQUIRE's queries: sentences that experts look for in photos of nature, one class each."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fieldmark.reading import read_text
from fieldmark.records import Origin, Prompt
from fieldmark.records.names import one_name
from fieldmark.tools.books.files import clipped, refuse

TEXT = "query_text"
_CATEGORY = "category"


def prompts_of_queries(path: Path) -> tuple[tuple[str, ...], list[Prompt]]:
    """The queries of a CSV file as classes, and each as the one prompt of its class, word for word.

    Source: INQUIRE (Vendrow et al. 2024), whose files have the columns query_id, query_text, supercategory,
    category and iconic_group; the origin of a prompt names the category.

    Raises:
        InputError: It cannot be read, has no column of queries, or a query that is blank or stands twice.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        refuse(path, f"cannot be read as a CSV file ({error})")
    if not rows or TEXT not in rows[0]:
        refuse(
            path, f"has no column {TEXT!r} with queries", hint="Give inquire_queries_test.csv or _val.csv."
        )
    texts = [one_name(row[TEXT] or "") for row in rows]
    if not all(texts):
        refuse(path, f"has a blank query in row {texts.index('') + 2}")
    if twice := _twice(texts):
        refuse(path, f"has the query {clipped(repr(twice))} twice")
    prompts = [
        Prompt(class_name=text, text=text, origin=Origin(kind="name", attribute=row.get(_CATEGORY) or None))
        for text, row in zip(texts, rows, strict=True)
    ]
    return tuple(texts), prompts


def _twice(texts: Sequence[str]) -> str:
    seen: set[str] = set()
    return next((text for text in texts if text in seen or seen.add(text)), "")
