"""`fieldmark aviary`: pictures and the scripted guide of the embedded world, to try things by hand."""

import shlex
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, either, option
from fieldmark.cli.terminal import amount, errors, print_json, words
from fieldmark.errors import FieldmarkError, InputError

if TYPE_CHECKING:
    from fieldmark.aviary.guide.sight import Sight
    from fieldmark.aviary.world.species import Species


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="The embedded world: draw pictures, serve the scripted guide."
    )
    group.command()(render)
    group.command()(guide)
    return group


def render(
    out: Annotated[
        Path, typer.Argument(help="Folder to make; one folder a species inside.", show_default=False)
    ],
    species: Annotated[int, option("New species, that the model has never seen.", min=0, max=4000)] = 80,
    known: Annotated[int, option("Species whose names the model knows.", min=0, max=200)] = 0,
    images: Annotated[int, option("Pictures of each.", min=1, max=100_000)] = 20,
    seed: Annotated[int, option("Decides the species and the pictures.")] = 7,
    flock: Annotated[
        int,
        option("Instead of species: so many freely mixed birds, a pool for concepts.", min=0, max=100_000),
    ] = 0,
    together: Annotated[
        bool,
        option(
            "One or two birds in a picture, in one folder, with labels.csv: for several labels an image.",
            "--together",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Draw a data set of look-alike birds: ordinary picture folders, a list of classes, the truth apart."""
    if flock:
        draw_flock(out, flock, seed=seed, json=json)
        return
    from fieldmark.aviary.world.dataset import CLASSES_FILE, render_dataset
    from fieldmark.aviary.world.species import species_book, world_hash
    from fieldmark.aviary.world.together import LABELS_FILE, render_together

    book = species_book(seed, new=species, known=known)
    from fieldmark.tools.runs.events import PicturesDrawn

    with TerminalProgress("Drawing pictures") as progress:
        drawn = (render_together if together else render_dataset)(
            out,
            book,
            images_per_species=images,
            seed=seed,
            progress=lambda done, of: progress(PicturesDrawn(done=done, of=of)),
        )
    names = out / CLASSES_FILE
    if json:
        print_json(
            {
                "schema": "fieldmark.aviary/1",
                "folder": str(out),
                "classes": str(names),
                "species": len(book),
                "images": len(drawn),
                "world": world_hash(book),
            }
        )
    console = words(json=json)
    console.say(f"{amount(len(drawn), 'picture')} of {len(book):,} species in {out}")
    where = shlex.quote(str(out))
    console.say("To classify them, serve the guide that knows these species in one terminal:")
    console.say(f"  fieldmark aviary guide --data {where}")
    console.say("and in another, with the lines that it prints:")
    console.say(
        f"  fieldmark classify {where} --classes {shlex.quote(str(names))} --clip aviary"
        + (" --multi --method cupl" if together else "")
    )
    if together:
        console.say(f"What each picture shows is in {out / LABELS_FILE}, for --labels.")


def draw_flock(out: Path, count: int, *, seed: int, json: bool) -> None:
    """Draw birds of no species, for ideas that are none."""
    from fieldmark.aviary.world.flock import render_flock
    from fieldmark.tools.runs.events import PicturesDrawn

    with TerminalProgress("Drawing pictures") as progress:
        render_flock(
            out,
            count,
            seed=seed,
            progress=lambda done, of: progress(PicturesDrawn(done=done, of=of)),
        )
    if json:
        print_json({"schema": "fieldmark.aviary/1", "folder": str(out), "images": count})
    console = words(json=json)
    console.say(f"{amount(count, 'picture')} of freely mixed birds in {out}")
    where = shlex.quote(str(out))
    console.say("To talk about a concept over them, serve the guide that knows these pictures again:")
    console.say(f"  fieldmark aviary guide --pictures {where}")
    console.say("and in another terminal, with the lines that it prints:")
    about = '--about "Birds with stripes."'
    console.say(f'  fieldmark concept new "striped birds" --pool {where} --clip aviary {about}')
    console.say('  fieldmark concept chat "striped birds"')


def guide(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="The same as --data.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, option("Folder drawn by `aviary render`, for its species.", show_default=False)
    ] = None,
    book_seed: Annotated[int, option("Without --data: seed of the species book.")] = 7,
    species: Annotated[int, option("Without --data: new species.", min=0, max=4000)] = 80,
    known: Annotated[int, option("Without --data: known species.", min=0, max=200)] = 0,
    pictures: Annotated[
        list[Path] | None,
        option(
            "Folder drawn by `aviary render`, whose pictures it knows again; may be repeated. It then "
            "answers as a vision-language model too, and mistakes 6% of what they show."
        ),
    ] = None,
    mistakes: Annotated[float, option("Share of wrong statements.", min=0, max=0.6)] = 0.15,
    port: Annotated[int, option("Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    json: Json = False,
) -> None:
    """Serve the scripted guide (no language model) as an OpenAI-compatible endpoint until Ctrl-C."""
    from fieldmark.aviary.guide.beliefs import GuideSettings
    from fieldmark.aviary.guide.guide import Guide
    from fieldmark.aviary.guide.server import GuideServer

    data = either(folder, data, "--data")
    from fieldmark.aviary.world.species import species_book

    book = read_species(data) if data is not None else species_book(book_seed, new=species, known=known)
    sight = sight_of(pictures or [])
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    answering = Guide(book, GuideSettings(mistakes=mistakes), sight=sight)
    with GuideServer(answering, port=port) as server:
        if json:
            print_json(
                {
                    "schema": "fieldmark.guide/1",
                    "base_url": server.base_url,
                    "model": server.model,
                    "identity": server.guide.identity,
                }
            )
        else:
            console = words(json=False)
            console.say(f"export OPENAI_BASE_URL={shlex.quote(server.base_url)}")
            console.say("export OPENAI_API_KEY=none")
            console.say(f"export FIELDMARK_LLM={shlex.quote(server.model)}")
        seen = f" and {amount(len(sight.gallery), 'picture')}" if sight is not None else ""
        errors().say(f"A script that knows {len(book):,} species{seen} answers here; Ctrl-C stops it.")
        while not stopped.wait(0.5):  # a timeout, so that signals are seen on every system
            pass
        errors().say(f"{amount(server.questions_answered, 'question')} answered.")


def sight_of(pictures: "Sequence[Path]") -> "Sight | None":
    """What the guide knows pictures by; None where none were named.

    Raises:
        InputError: A folder holds none of the aviary's pictures.
    """
    if not pictures:
        return None
    from fieldmark.aviary.guide.gallery import Gallery
    from fieldmark.aviary.guide.sight import Sight, SightSettings

    try:
        gallery = Gallery.of_folders(pictures)
    except (FieldmarkError, OSError, ValueError, KeyError, TypeError) as error:
        named = ", ".join(repr(str(path)) for path in pictures)
        says = error.message if isinstance(error, FieldmarkError) else error
        raise InputError(
            f"The pictures of {named} cannot be told: {says}", hint="Draw some: fieldmark aviary render DIR"
        ) from error
    return Sight(gallery, SightSettings())


def read_species(data: Path) -> "Sequence[Species]":
    """The species of a data set drawn before.

    Raises:
        InputError: It is none.
    """
    from fieldmark.aviary.world.dataset import read_truth

    try:
        return read_truth(data)[0]
    except (FieldmarkError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(data)!r} is no data set of the aviary.", hint="Draw one: fieldmark aviary render DIR"
        ) from error
