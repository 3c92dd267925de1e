"""`fieldmark convert`: writes the labels of a run for other tools, or as a table."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import print_json, words


def convert(
    run: Annotated[str, typer.Argument(help="Id or folder of a run of `fieldmark classify`.")],
    to: Annotated[Path, typer.Argument(help="File that is not there yet.", show_default=False)],
    tool: Annotated[
        Literal["label-studio", "coco", "cvat", "fiftyone", "huggingface", "parquet", "csv"],
        option(
            "Whose file it is to be: label-studio, coco, cvat, fiftyone, huggingface (a Parquet file with "
            "the pictures in it, as `datasets` reads it), parquet or csv.",
            "--as",
            metavar="FORMAT",
        ),
    ],
    prefix: Annotated[
        str,
        option(
            "label-studio: what stands before each path, such as /data/local-files/?d=", show_default=False
        ),
    ] = "",
    out: Annotated[Path, option("Folder where runs are.")] = Path("runs"),
    json: Json = False,
) -> None:
    """Write the labels of a run's images for another tool, with confidence and status; RUN may be "latest".

    --labels of classify and review, and --file of label, read such files back.

    Exit codes: 0 done; 2 wrong input.
    """
    from fieldmark.app.review.handing_over import hand_over

    if prefix and tool != "label-studio":
        raise typer.BadParameter("only Label Studio's files have it.", param_hint="--prefix")
    files = hand_over(run, to, tool=tool, prefix=prefix, out=out)
    for each in files:
        words(json=json).say(f"Written: {each}")
    if json:
        print_json({"schema": "fieldmark.convert/1", "files": [str(each) for each in files]})
