"""`fieldmark eval`: every method of the field in one table; the list of methods; joining several runs."""

import typer

from fieldmark.cli.eval import join, measure, methods


def commands() -> typer.Typer:
    """The group of commands; by itself it measures."""
    group = typer.Typer(
        invoke_without_command=True,
        help="Measure methods under one protocol, in one table with intervals, paired tests and cost.\n\n"
        "Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. "
        "A stopped run goes on with --resume.",
    )
    group.callback()(measure.measure)
    group.command("methods")(methods.methods)
    group.command("join")(join.join)
    return group
