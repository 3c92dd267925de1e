"""Tables of results: a pandas data frame, and HTML for notebooks."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from fieldmark.errors import InputError

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

MOST_ROWS = 50
"""Rows of a table that a notebook shows."""


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    """Rows as a pandas data frame, with these columns in this order.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise InputError("pandas is not installed.", hint='pip install "fieldmark[pandas]"') from error
    return pd.DataFrame(rows, columns=list(columns))


def html_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A title and the first rows as HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    left = len(rows) - MOST_ROWS
    more = f"<p>… and {left:,} more</p>" if left > 0 else ""
    body = "".join(line(row, "td") for row in rows[:MOST_ROWS])
    return f"<p>{escape(title)}</p><table>{line(head, 'th')}{body}</table>{more}"
