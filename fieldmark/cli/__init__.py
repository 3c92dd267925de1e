"""The command line: one small file a command, put together here."""

import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fieldmark import __version__
from fieldmark.cli import (
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
from fieldmark.cli.classify.discover import discover
from fieldmark.cli.eval.advise import advise
from fieldmark.cli.eval.instructions import instructions
from fieldmark.cli.eval.next_class import next_class
from fieldmark.cli.eval.reword import reword
from fieldmark.cli.exit_codes import GuardedCommands
from fieldmark.cli.learned import adapt, export, export_rft, predict
from fieldmark.cli.machine import cache, config, doctor, embed, fetch, plan, vllm
from fieldmark.cli.mistakes import CheckedCommand, CheckedGroup
from fieldmark.cli.run_options import option


def main() -> None:
    """Run the command line; the entry point of the `fieldmark` command."""
    # asyncio's own handler only asks its task to end, which a task that computes hears much too late.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    # A shell that completes a word asks for the options of commands that are named elsewhere.
    build(None if "_FIELDMARK_COMPLETE" in os.environ else named)(prog_name="fieldmark")


def build(only: str | None = None) -> typer.Typer:
    """The whole command line, or one command of it and the lines of the others in the list of commands.

    To read the parameters of every command takes a fifth of the time of a `--help`.
    """
    app = typer.Typer(
        cls=GuardedCommands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Tell look-alike image classes apart: a language model says what to look for, CLIP looks.",
        epilog="Try it without any model or key: fieldmark demo",
    )
    app.callback()(_root)
    for room, commands in _rooms().items():
        for name, whole in commands.items():
            command = whole if only in (None, name) else _listed(whole)
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=name, rich_help_panel=room)
            else:
                app.command(name=name, rich_help_panel=room)(command)
    _flow(app)
    return app


def _rooms() -> dict[str, dict[str, Callable[..., None] | typer.Typer]]:
    """The commands by what one comes for, as the help lists them."""
    return {
        "Begin": {
            "demo": demo.demo,
            "classify": classify,
            "discover": discover,
            "concept": concept.commands(),
            "studio": studio.studio,
            "advise": advise,
        },
        "What a classification leaves": {
            "label": label.label,
            "sort": sort.sort,
            "convert": convert.convert,
            "export": export.export,
            "predict": predict.predict,
        },
        "Sets with labels": {
            "review": review.review,
            "instructions": instructions,
            "next-class": next_class,
            "export-rft": export_rft.export_rft,
        },
        "Prompts and methods": {
            "optimize": optimize.optimize,
            "reword": reword,
            "adapt": adapt.adapt,
            "book": book.commands(),
            "eval": methods_table.commands(),
        },
        "Large pools": {"plan": plan.plan, "embed": embed.embed, "batch": batch.commands()},
        "Models and this machine": {
            "doctor": doctor.doctor,
            "config": config.commands(),
            "cache": cache.commands(),
            "fetch": fetch.fetch,
            "vllm": vllm.vllm,
            "mcp": mcp.mcp,
            "aviary": aviary.commands(),
        },
    }


def _listed(command: Callable[..., None] | typer.Typer) -> Callable[..., None] | typer.Typer:
    """What has the line of a command in the list of commands, and none of its parameters."""
    if isinstance(command, typer.Typer):
        return typer.Typer(help=command.info.help)

    def listed() -> None: ...

    listed.__doc__ = command.__doc__
    return listed


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
