"""`fieldmark embed`: encodes a pool of images of any size into a folder of shards."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.classify.output import name_some, say_passed_over
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import RUN, Json, encoding, option
from fieldmark.cli.terminal import amount, leave, print_json, words


@encoding
def embed(
    places: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, lists (.txt), archives (.tar), tables (.parquet); paths, or addresses "
            "such as s3://bucket/train-*.tar.",
            show_default=False,
        ),
    ],
    out: Annotated[str, option("Folder or address of the vectors, one file a shard.", show_default=False)],
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.")] = None,
    column: Annotated[str | None, option("Column of images, of tables. Else one called like it.")] = None,
    shard: Annotated[int, option("Image files of a shard.", min=1, max=100_000)] = 1024,
    keep: Annotated[
        bool, option("Store the vectors where other commands look for them, too.", "--keep")
    ] = False,
    device: Annotated[
        str | None, option("auto, cpu, cuda, cuda:1 or mps. Else FIELDMARK_DEVICE.", panel=RUN)
    ] = None,
    json: Json = False,
) -> None:
    """Encode a pool of images. What is done is kept: the same command goes on where it was stopped.

    What could not be encoded is kept in mind, too, and said each time.

    Exit codes: 0 done; 1 not one image could be encoded; 2 wrong input; 130 Ctrl-C.
    """
    from fieldmark.app.beforehand import Mistakes, check_models

    mistakes = Mistakes()
    check_models(mistakes, clip=clip, device=device)
    mistakes.tell()
    with TerminalProgress("Looking for images") as progress:
        from fieldmark.app.pools.embedding import embed_pool

        made = embed_pool(
            [str(Path(each).expanduser()) if each.startswith("~") else each for each in places],
            out,
            clip=clip,
            device=device,
            column=column,
            shard_images=shard,
            keep=keep,
            progress=progress,
        )
    if json:
        print_json({"schema": "fieldmark.embed/1", **made.model_dump(mode="json")})
    console = words(json=json)
    console.say(
        f"{amount(made.images, 'image')} encoded with {made.clip}; {amount(made.shards, 'shard')} in "
        f"{made.place}, of which {made.found:,} {'was' if made.found == 1 else 'were'} there before."
    )
    name_some(console, f"{amount(made.lost, 'image')} skipped", [f"{p}: {why}" for p, why in made.skipped])
    say_passed_over(console, made.passed_over)
    leave(0 if made.held else 1)
