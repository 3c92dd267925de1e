"""`fieldmark next-class`: which class to collect labels for next."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.run_options import DATA, MODELS, RUN, Json, option
from fieldmark.cli.terminal import amount, one_line, print_json, words


def next_class(
    classes: Annotated[Path, typer.Argument(help="File of all class names, one a line.", show_default=False)],
    labelled: Annotated[
        str,
        option(
            "What has labels: a folder with one folder a class, a CSV file with image and label, or names, "
            "a,b,c.",
            panel=DATA,
            show_default=False,
        ),
    ],
    tree: Annotated[
        Path | None,
        option("Tree of the classes: CSV or TSV with the columns child and parent, or JSON.", panel=DATA),
    ] = None,
    count: Annotated[int, option("How many to name.", min=1, max=1000)] = 5,
    clip: Annotated[
        str | None, option("CLIP model whose texts are compared. Else FIELDMARK_CLIP.", panel=MODELS)
    ] = None,
    device: Annotated[str | None, option("auto, cpu, cuda or mps. Else FIELDMARK_DEVICE.", panel=RUN)] = None,
    json: Json = False,
) -> None:
    """Name the classes to collect labels for next, so that as many as can be are told apart.

    By Loki's rule: a prediction can name any class that lies between classes with labels, in the tree or,
    without one, by the class texts. Nothing is asked and no image is looked at.

    Exit codes: 0 done; 2 wrong input.
    """
    from fieldmark.app.advice.next_class import next_classes
    from fieldmark.app.inputs import read_class_names
    from fieldmark.cli.optimize import split_words
    from fieldmark.tools.images.given_paths import is_there

    names = read_class_names(str(classes))
    given = labelled if is_there(labelled) else split_words(labelled)
    found = next_classes(names, given, tree=tree, count=count, clip=clip, device=device)
    console = words(json=json)
    for place, each in enumerate(found, 1):
        console.say(
            f"{place}. {one_line(each.class_name)}: nearest with labels is {one_line(each.nearest)} "
            f"({each.distance:g} away); then {amount(each.reach, 'class', 'classes')} can be named"
        )
    if not found:
        console.say("Every class has labels.")
    if json:
        print_json({"schema": "fieldmark.next-class/1", "next": [each.model_dump() for each in found]})
