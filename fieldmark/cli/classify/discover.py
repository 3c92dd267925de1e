"""`fieldmark discover`: names for images that nobody listed classes for."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.classify.output import name_some, show_estimate
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import (
    DATA,
    MODELS,
    BaseUrl,
    DryRun,
    Out,
    Report,
    RunJson,
    asking,
    encoding,
    option,
    takes_spending,
)
from fieldmark.cli.spending import say_spent
from fieldmark.cli.terminal import amount, leave, one_line, print_json, row, share, table, words

if TYPE_CHECKING:
    from fieldmark.cli.terminal import PlainConsole
    from fieldmark.records.discovery import Discovery

DONE, NOTHING_NAMED, STOPPED = 0, 1, 3
MOST_GROUPS = 30
"""The most groups that are listed on the terminal."""


def _count(given: str) -> str:
    if given == "auto" or (given.isascii() and given.isdecimal() and int(given) > 1):
        return given
    raise typer.BadParameter("It is a number from 2 on, or auto.")


@asking
@encoding
@takes_spending
def discover(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Image files and folders.", show_default=False)
    ] = None,
    run: Annotated[
        str | None,
        option(
            "In place of images: a run of `classify` (its id, its folder, or latest) whose rejected images "
            "are to be named.",
            panel=DATA,
            show_default=False,
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        option(
            'Captions of whatever such images: one a line, or JSONL: {"caption": "…"}.',
            panel=DATA,
            show_default=False,
        ),
    ] = None,
    groups: Annotated[
        str, option("How many groups.", panel=DATA, metavar="N|auto", callback=_count)
    ] = "auto",
    noun: Annotated[
        str, option('Generic word for what the images show, such as "bird".', panel=DATA, show_default=False)
    ] = "",
    clip: Annotated[
        str | None, option("CLIP model. Else the run's, or FIELDMARK_CLIP.", panel=MODELS)
    ] = None,
    llm: Annotated[
        str | None,
        option("Language model that goes by captions and marks. Else FIELDMARK_LLM.", panel=MODELS),
    ] = None,
    base_url: BaseUrl = None,
    vlm: Annotated[
        str | None,
        option("Vision-language model that is shown 5 images of each group, in one question.", panel=MODELS),
    ] = None,
    vlm_base_url: Annotated[
        str | None, option("Its endpoint. Else that of the language model.", panel=MODELS)
    ] = None,
    out: Out = Path("runs"),
    report: Report = None,
    json: RunJson = False,
    dry_run: DryRun = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Find groups of alike images and a name for each, where nobody listed classes.

    Names come from --captions, from a language model that goes by them, or from one that looks (--vlm); CLIP
    checks them on the images. The names are written as classes.txt, for `fieldmark classify --classes`.

    Exit codes: 0 done; 1 no name found; 2 wrong input; 3 stopped by a limit: the same command goes on.
    """
    from fieldmark.app.beforehand import Mistakes, check_models, check_there
    from fieldmark.app.inputs import check_images_there

    mistakes = Mistakes()
    with mistakes.noted():
        check_there(captions, "The file of captions", field="captions")
    with mistakes.noted():
        check_images_there(paths or ())
    check_models(
        mistakes, clip=clip, llm=llm, vlm=vlm, base_url=base_url, vlm_base_url=vlm_base_url,
        device=spending["device"], max_cost=spending["limits"].get("max_cost"),
    )  # fmt: skip
    mistakes.tell()
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.discover.discoverer import Discoverer
        from fieldmark.records import UsageLimits

        discoverer = Discoverer(
            images=[str(path) for path in paths] if paths else None,
            run=run,
            captions=captions,
            groups=None if groups == "auto" else int(groups),
            noun=noun,
            clip=clip,
            llm=llm,
            base_url=base_url,
            vlm=vlm,
            vlm_base_url=vlm_base_url,
            limits=UsageLimits(**spending["limits"]),
            cache=spending["cache"] or "use",
            device=spending["device"],
            out=out,
            progress=progress,
        )
        if dry_run:
            estimate = discoverer.estimate()
            progress.stop()
            show_estimate(estimate, words(json=json))
            if json:
                print_json(estimate)
            return
        found = discoverer.discover()
        if report is not False:
            from fieldmark.app.discover.writing import write_discovery_page

            write_discovery_page(found)
    _show(found, words(json=json), paths or ())
    if json:
        print_json(found)
    leave(STOPPED if found.stop_reason != "done" else DONE if found.names else NOTHING_NAMED)


def _show(found: "Discovery", console: "PlainConsole", paths: Sequence[Path]) -> None:
    from fieldmark.app.discover.writing import NAMES, PAGE, TABLE

    folder = Path(found.run)
    if found.of_run is not None:
        for group in found.groups:
            these = amount(len(group.images), "image")
            look = "look" if len(group.images) > 1 else "looks"
            called = f" {one_line(group.name)}" if group.name else " nothing names it"
            unsure = "" if group.sure or not group.name else " (unsure)"
            console.say(f"{these} {look} like a class you did not list:{called}{unsure}; add it?", "bold")
            name_some(console, "Such as", list(group.images[:2]))
    else:
        made = table("name", "images", "sure", "sureness", "or", words=("name", "or"))
        for group in found.groups[:MOST_GROUPS]:
            row(
                made,
                one_line(group.name) or "(no name)",
                f"{len(group.images):,}",
                "yes" if group.sure else "no",
                share(group.sureness),
                one_line(", ".join(group.others[:2])),
            )
        console.print(made)
        if len(found.groups) > MOST_GROUPS:
            console.say(f"and {amount(len(found.groups) - MOST_GROUPS, 'group')} more, in {TABLE}")
    sure = sum(group.sure for group in found.groups)
    console.say(
        f"{amount(len(found.groups), 'group')} of {amount(found.images, 'image')}: "
        f"{len(found.names):,} named, {sure:,} of the names sure. "
        "A name is sure where CLIP sees that it tells its images from the others."
    )
    say_spent(folder, console)
    for note in found.notes:
        console.say(note, "bold red")
    console.say(f"Images and groups: {folder / TABLE}")
    if (folder / PAGE).is_file():
        console.say(f"Page: {folder / PAGE}")
    if found.classifies:
        images = shlex.join(map(str, paths)) or "IMAGES"
        command = f"fieldmark classify {images} --classes {shlex.quote(str(folder / NAMES))}"
        console.say(f"Look through the names in {folder / NAMES}, then: {command}")
    if found.stop_reason != "done":
        console.say("Not every group was asked about. What was answered is kept: give the command again.")
