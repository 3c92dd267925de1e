"""Turns whatever ends a command early into one sentence and an exit code, and keeps libraries quiet."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from fieldmark.cli.terminal import errors
from fieldmark.errors import FieldmarkError, SeveralMistakes

INTERRUPTED = 130
CLOSED_PIPE = 141
BROKEN = 2
OPTIONS = {"most_templates": "templates", "operators": "operator", "images_per_class": "per-class"}
"""Options that are called otherwise than the argument they set."""


class InterruptedRun(FieldmarkError):
    """A run that Ctrl-C ended; the hint says how to go on with it."""

    exit_code = INTERRUPTED


class GuardedCommands(TyperGroup):
    """A group of commands that end in a sentence, never in a traceback unless `--debug` asks for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; `--resume` without a name stands for the latest run."""
        return super().parse_args(ctx, with_latest(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        debug = bool(ctx.params.get("debug"))
        with guarded(debug=debug), quiet_libraries(debug=debug):
            try:
                return super().invoke(ctx)
            except typer.BadParameter as error:
                error.message = error.message.removeprefix("Value error, ")
                raise


@contextmanager
def guarded(*, debug: bool) -> Iterator[None]:
    """Say what went wrong, and end with the exit code that belongs to it."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has what it wanted. Nothing may be written any more, also not on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(CLOSED_PIPE) from None
    except KeyboardInterrupt:
        if debug:
            raise
        _say("interrupted.", "")
        raise typer.Exit(INTERRUPTED) from None
    except FieldmarkError as error:
        if debug and not isinstance(error, InterruptedRun):
            errors().print_exception()
        for each in error.mistakes if isinstance(error, SeveralMistakes) else (error,):
            _say(*with_option(each))
        raise typer.Exit(error.exit_code) from None
    except faults_of_the_disk() as error:
        if debug:
            errors().print_exception()
        _say(f"{str(error).rstrip('.')}.", "" if debug else "With --debug you see where it came from.")
        raise typer.Exit(BROKEN) from None


def faults_of_the_disk() -> tuple[type[Exception], ...]:
    """A full disk, a folder that is not ours: nothing that a traceback would explain better."""
    import sqlite3

    return OSError, sqlite3.Error


def with_latest(args: Sequence[str]) -> list[str]:
    """Arguments in which every `--resume` has a name: "latest" where none follows. Behind "--" all stays."""
    filled: list[str] = []
    for at, each in enumerate(args):
        if each == "--":
            return [*filled, *args[at:]]
        filled.append(each)
        if each == "--resume" and (at + 1 == len(args) or args[at + 1].startswith("-")):
            filled.append("latest")
    return filled


def option_of(field: str) -> str:
    """The option that sets an argument."""
    return f"--{OPTIONS.get(field, field).replace('_', '-')}"


def with_option(error: FieldmarkError) -> tuple[str, str]:
    """Message and hint of an error, with the option that sets its field: "Choose another (--out)."."""
    if not error.field:
        return error.message, error.hint
    name = ", ".join(map(option_of, error.field.split(", ")))
    if error.message.startswith(f"{error.field} "):
        return name + error.message.removeprefix(error.field), error.hint
    option = f"({name})"

    def named(words: str) -> str:
        return f"{words.removesuffix('.')} {option}{'.' * words.endswith('.')}"

    return (error.message, named(error.hint)) if error.hint else (named(error.message), "")


def _say(message: str, hint: str) -> None:
    console = errors()
    console.say(f"fieldmark: {message}", "red")
    if hint:
        console.say(f"           {hint}")


@contextmanager
def quiet_libraries(*, debug: bool) -> Iterator[None]:
    """Show Fieldmark's own warnings, a line each, and nothing of other libraries; with `debug` everything."""
    if debug:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        yield
        return
    # torch has handlers and levels of its own, which it sets up when it is loaded.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TORCH_LOGS", "-all")
    logging.getLogger("torch").setLevel(logging.ERROR)
    own, everyone = logging.getLogger("fieldmark"), logging.getLogger()
    handler, silence = _LineHandler(logging.WARNING), logging.NullHandler()
    own.addHandler(handler)
    everyone.addHandler(silence)
    if not sys.warnoptions:
        # For good: what an interrupted library leaves behind is complained of when Python itself ends.
        warnings.simplefilter("ignore")
    try:
        yield
    finally:
        own.removeHandler(handler)
        everyone.removeHandler(silence)


class _LineHandler(logging.Handler):
    """Prints a record as one line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = " ".join(record.getMessage().split())
            errors().say(f"{record.levelname.lower()}: {line}", "yellow")
        except Exception:  # the contract of logging: a handler never raises
            self.handleError(record)
