"""Writes the tables of an evaluation as Markdown, to be pasted elsewhere."""

import re
from collections.abc import Sequence

from fieldmark.evals.report import words
from fieldmark.evals.report.table.columns import TAGS, columns_for, macro_is_top1, tags_of
from fieldmark.evals.table.arrange import missing, tables
from fieldmark.evals.table.records import EvalResult, Row

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")


def markdown(result: EvalResult, groups: Sequence[tuple[str, Sequence[Row], str]]) -> str:
    """The tables, one a setting, with what is needed to read them.

    Args:
        result: What was measured.
        groups: Title and rows of each setting, and what else must be said of it.
    """
    parts = [f"# Fieldmark eval: {escaped(result.data)}", _setup(result)]
    for title, rows, note in groups:
        parts += [f"## {escaped(title)}", *_setting(result, rows)]
        parts += [escaped(note)] if note else []
    parts.append(_legend(result, [row for _, rows, _ in groups for row in rows]))
    parts += [escaped(note) for note in result.notes]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text as Markdown shows it: on one line, with nothing in it that Markdown or HTML would read."""
    line = " ".join(words.clean(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", line)


def _setup(result: EvalResult) -> str:
    asked = f"; answers by {escaped(result.llm)}" if result.llm else ""
    return (
        f"CLIP model {escaped(result.clip)}{asked}; {words.plural(result.shots, 'labelled image')} a class; "
        f"{words.plural(result.seeds, 'seed')}."
    )


def _setting(result: EvalResult, rows: Sequence[Row]) -> list[str]:
    made: list[str] = []
    for done in tables(rows):
        columns = columns_for(done, result)
        heads = ["Method", "Source", *(column.head for column in columns)]
        lines = [_line(heads), _line([":--", ":--", *("--:" for _ in columns)], plain=True)]
        for row in done:
            tags = tags_of(row, result)
            title = f"{row.title} ({', '.join(tags)})" if tags else row.title
            cells = [column.cell(row) for column in columns]
            texts = [f"{c.text} ({'; '.join(c.below)})" if c.below else c.text for c in cells]
            lines.append(_line([title, row.source, *texts]))
        images = words.plural(done[0].images, "test image")
        same = " Macro accuracy is top-1 here: every class has as many images." if macro_is_top1(done) else ""
        made += [f"{images}.{same}", "\n".join(lines)]
    lacking = [
        f"- {each.outcome}: {escaped('; '.join(row.title for row in each.rows))}: {escaped(each.reason)}"
        for each in missing(rows)
    ]
    return [*made, "\n".join(lacking)] if lacking else made


def _line(cells: Sequence[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cells if plain else map(escaped, cells))} |"


def _legend(result: EvalResult, rows: Sequence[Row]) -> str:
    there = {tag for row in rows if row.outcome == "done" for tag in tags_of(row, result)}
    lines = [f"- {tag}: {meaning}" for tag, meaning in TAGS.items() if tag in there]
    lines.append(
        "- intervals: 95%, by resampling whole classes; p: sign flips of whole classes, adjusted by Holm for "
        "all rows of the setting"
    )
    return "\n".join(lines)
