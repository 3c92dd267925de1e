"""The command line: one small file a command, put together here."""

import inspect
import os
import signal
from typing import Annotated

import typer

from fieldmark import __version__
from fieldmark.cli import (
    advise,
    aviary,
    batch,
    book,
    concept,
    convert,
    demo,
    label,
    mcp,
    optimize,
    review,
    sort,
    studio,
)
from fieldmark.cli import eval as methods_table
from fieldmark.cli.classify.command import classify
from fieldmark.cli.exit_codes import GuardedCommands
from fieldmark.cli.learned import export, predict
from fieldmark.cli.machine import cache, config, doctor, embed, fetch, plan, vllm
from fieldmark.cli.mistakes import CheckedCommand, CheckedGroup
from fieldmark.cli.run_options import option


def main() -> None:
    """Run the command line; the entry point of the `fieldmark` command."""
    # asyncio's own handler only asks its task to end, which a task that computes hears much too late.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    build()(prog_name="fieldmark")


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=GuardedCommands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Tell look-alike image classes apart: a language model says what to look for, CLIP looks.",
        epilog="Try it without any model or key: fieldmark demo",
    )
    app.callback()(_root)
    app.command(name="demo")(demo.demo)
    app.command(name="classify")(classify)
    app.command(name="sort")(sort.sort)
    app.command(name="convert")(convert.convert)
    app.command(name="export")(export.export)
    app.command(name="predict")(predict.predict)
    app.command(name="label")(label.label)
    app.command(name="review")(review.review)
    app.command(name="advise")(advise.advise)
    app.command(name="optimize")(optimize.optimize)
    app.add_typer(methods_table.commands(), name="eval")
    app.add_typer(book.commands(), name="book")
    app.add_typer(batch.commands(), name="batch")
    app.add_typer(concept.commands(), name="concept")
    app.command(name="studio")(studio.studio)
    app.command(name="mcp")(mcp.mcp)
    app.command(name="fetch")(fetch.fetch)
    app.command(name="embed")(embed.embed)
    app.command(name="plan")(plan.plan)
    app.command(name="doctor")(doctor.doctor)
    app.add_typer(config.commands(), name="config")
    app.add_typer(cache.commands(), name="cache")
    app.command(name="vllm")(vllm.vllm)
    app.add_typer(aviary.commands(), name="aviary")
    _flow(app)
    return app


def _flow(app: typer.Typer) -> None:
    """Have the help of every command break its lines where the terminal ends, not where the source does.

    And have each of them tell all of its mistakes at once.
    """
    for command in app.registered_commands:
        command.cls = CheckedCommand
        words = inspect.getdoc(command.callback) or ""
        command.help = command.help or "\n\n".join(part.replace("\n", " ") for part in words.split("\n\n"))
    for group in app.registered_groups:
        if group.typer_instance:
            group.typer_instance.info.cls = CheckedGroup
            _flow(group.typer_instance)


def _root(
    context: typer.Context,
    debug: Annotated[
        bool, option("Show tracebacks and what libraries log.", "--debug", envvar="FIELDMARK_DEBUG")
    ] = False,
    version: Annotated[
        bool,
        option("Print the version and stop.", "--version", is_eager=True, callback=lambda v: _version(v)),
    ] = False,
) -> None:
    """Options of every command; `--debug` is read by `GuardedCommands`."""
    if context.invoked_subcommand != "vllm":  # a server that we start decides for itself
        # Read by the threads of torch when it is loaded: one that waits for the others sleeps. By default it
        # spins, and so keeps those it waits for off their cores where other programs compute too.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fieldmark {__version__}")
        raise typer.Exit


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
