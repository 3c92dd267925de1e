"""`fieldmark config`: the settings in force, and where each comes from."""

from dataclasses import asdict

import typer

from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import errors, print_json, row, table, words

OTHERS = ("FIELDMARK_DEBUG",)
"""Variables of ours that are no settings."""


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Settings: what is in force, from which variable, file or default."
    )
    group.callback()(_root)
    group.command()(show)
    return group


def _root() -> None:
    """Keeps `show` a command of its own: a group of one would be that one."""


def show(json: Json = False) -> None:
    """Show every setting, and where it comes from.

    An option wins over the environment, that over fieldmark.toml in the current folder or above it, that over
    the file in your own folder of configurations, and that over the default.
    """
    from fieldmark.settings import own_file, settings_files, settings_origins, unknown_variables

    origins, files = settings_origins(), [str(file.path) for file in settings_files()]
    unknown = unknown_variables(OTHERS)
    if json:
        print_json(
            {
                "schema": "fieldmark.config/1",
                "settings": [asdict(each) for each in origins],
                "files": files,
                "own_file": str(own_file()),
                "unknown_variables": unknown,
            }
        )
    console = words(json=json)
    made = table("setting", "value", "from", words=("setting", "value", "from"))
    for each in origins:
        row(made, each.name, "–" if each.value is None else each.value, each.place or each.origin)
    console.print(made)
    console.say(f"Files: {', '.join(files) if files else 'none'}. Your own would be {own_file()}")
    for name, meant in unknown.items():
        errors().say(f"warning: {name} is no setting. {meant}".rstrip(), "yellow")
