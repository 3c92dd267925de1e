"""`fieldmark sort`: puts the images of a finished classification into folders by label."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.classify.output import name_some
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import PlainConsole, amount, one_line, print_json, row, table, words

if TYPE_CHECKING:
    from fieldmark.app.review.sorting import Sorted

MOST_FOLDERS = 20
"""The most folders that are named on the terminal."""


def sort(
    run: Annotated[str, typer.Argument(help="Id or folder of a run of `fieldmark classify`.")] = "latest",
    into: Annotated[
        Path | None, option("New folder for LABEL/, open/LABEL/ and rejected/.", show_default=False)
    ] = None,
    link: Annotated[bool, option("Make symbolic links instead of copies.", "--link")] = False,
    out: Annotated[Path, option("Folder where runs are.")] = Path("runs"),
    json: Json = False,
) -> None:
    """Sort the images of a finished classification into folders by label; without RUN, of the latest one.

    Resolved images go into LABEL/, open ones into open/LABEL/, those that fit no class into rejected/. Labels
    that are no names for folders get safe ones. Nothing is overwritten, moved or deleted; a folder that holds
    anything else is refused. The same command goes on where it stopped.

    Exit codes: 0 done; 1 some images could not be put there; 2 wrong input; 130 Ctrl-C.
    """
    from fieldmark.app.review.sorting import sort_run
    from fieldmark.errors import InputError

    if into is None:
        raise InputError(
            "No folder to sort into was given.", hint="Give one that is not there yet: --into DIR"
        )
    done = sort_run(run, into, out=out, link=link)
    show(done, words(json=json), link=link)
    if json:
        print_json(done)
    if done.skipped:
        raise typer.Exit(1)


def show(done: "Sorted", console: PlainConsole, *, link: bool) -> None:
    """Say what lies where."""
    folders = table("folder", "images", words=("folder",))
    for name, count in list(done.counts.items())[:MOST_FOLDERS]:
        row(folders, one_line(name), f"{count:,}")
    console.print(folders)
    if len(done.counts) > MOST_FOLDERS:
        console.say(f"and {amount(len(done.counts) - MOST_FOLDERS, 'folder')} more")
    renamed = [f"{label} → {name}" for label, name in done.folders.items() if label != name]
    name_some(console, "Labels with another folder name", renamed)
    name_some(console, "Not there", [f"{each.path}: {each.reason}" for each in done.skipped])
    total = sum(done.counts.values())
    there = f", {done.already_there:,} of them there before" if done.already_there else ""
    console.say(
        f"{amount(total, 'link' if link else 'copy', '' if link else 'copies')} in {done.into}{there}."
    )
