"""Writes to the terminal: words, tables, one JSON object.

Nothing that comes from outside is read as markup, or commands the terminal.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel

_WIDTH_ELSEWHERE = 110
"""Columns where no terminal says how wide it is: tables in a file shall not be squeezed into 80."""
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves the cursor, colours or rings, turns the direction of writing, or is no character at all."""


class PlainConsole(Console):
    """A console that reads no markup, leaves long lines alone, and lets a closed pipe be heard of.

    Control characters of file names, answers and messages are spelled out, whatever prints them; line ends
    and tabs stay.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Lay something out; what rich itself tells the terminal is no text and stays."""
        for segment in super().render(renderable, options):
            if segment.control or not _COMMANDS.search(segment.text):
                yield segment
            else:
                yield Segment(without_commands(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to `guarding`, which ends quietly."""
        raise  # rich calls this while it handles the error

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line as it is."""
        self.print(plain(text, style), soft_wrap=True)


def errors() -> PlainConsole:
    """The console for progress, warnings and errors."""
    return _console(stderr=True)


def words(*, json: bool) -> PlainConsole:
    """The console for results in words: stdout, or stderr where stdout is for the JSON."""
    return _console(stderr=json)


def _console(*, stderr: bool) -> PlainConsole:
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_ELSEWHERE
    return PlainConsole(stderr=stderr, markup=False, emoji=False, highlight=False, width=wide)


def table(*columns: str, title: str = "", words: Sequence[str] = ()) -> Table:
    """An empty table; the columns in `words` hold words, the others numbers."""
    made = Table(title=plain(title) if title else None, title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(plain(column), justify="left" if column in words else "right")
    return made


def row(made: Table, *cells: object, style: str = "") -> None:
    """Add a row of plain texts."""
    made.add_row(*(plain(str(cell)) for cell in cells), style=style)


def print_json(value: "BaseModel | dict[str, Any]") -> None:
    """Print one JSON object to stdout; a record's own names for its fields count."""
    if isinstance(value, dict):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = value.model_dump_json(by_alias=True)
    # As bytes: what a file name holds may not fit the encoding of the terminal.
    typer.echo(text.encode("utf-8", "backslashreplace"))


def ask(question: str, *, option: str) -> None:
    """Ask for a yes; go on only with one.

    Raises:
        InputError: Nobody is there to answer.
        typer.Exit: The answer was no.
    """
    from fieldmark.errors import InputError

    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody is there to answer.", hint=f"Give {option}.")
    if not confirmed(question):
        errors().say("Nothing was done.")
        raise typer.Exit(0)


def confirmed(question: str) -> bool:
    """Ask for a yes or a no; Ctrl-C is neither, and ends the command as anywhere else."""
    try:
        return typer.confirm(without_commands(question), err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    raise typer.Exit(code)


def share(value: float | None) -> str:
    """A share as a percentage with one decimal, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}%"


def amount(count: int, thing: str, plural: str = "") -> str:
    """A number with its noun: "1 image", "1,200 images"."""
    return f"{count:,} {thing if count == 1 else plural or thing + 's'}"


def one_line(text: str) -> str:
    """A text whose line breaks and other signs that cannot be shown are spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def without_commands(text: str) -> str:
    """A text whose control characters are spelled out, but for line ends and tabs."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def plain(text: str, style: str = "") -> Text:
    """A text as it is printed; spelled out before anything is laid out, so that tables have room for it."""
    return Text(without_commands(text), style=style)
