"""`fieldmark concept export`: copies a concept's classifier into a folder that stands alone."""

import shlex
from pathlib import Path
from typing import Annotated

from fieldmark.cli.concept.build import Version
from fieldmark.cli.concept.chat import Name
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, errors, print_json, words


def export(
    name: Name,
    out: Annotated[Path, option("Folder: new, empty, or an earlier export of it.", show_default=False)],
    version: Version = None,
    json: Json = False,
) -> None:
    """Export a classifier: weights, ONNX model, model card, and labelling instructions with pictures.

    Every file is read back and checked. `concept predict` and three lines of Python use the folder; neither
    needs a language model.
    """
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.tools.concepts.heads.config import ONNX

    builder = ConceptBuilder.open(name, version=version)
    exported = builder.export(out)
    measured = builder.measured is not None
    config = exported.config
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-export/1",
                "concept": config.concept,
                "version": config.version,
                "folder": str(exported.folder),
                "measured": measured,
                "files": exported.files,
            }
        )
    console = words(json=json)
    console.say(
        f"{config.concept}, version {config.version}: {amount(len(exported.files), 'file')}, read back and "
        f"checked. In {exported.folder}"
    )
    if not measured:
        errors().say(
            "warning: it was not measured, and its model card says so. "
            f"Measure it first: fieldmark concept evaluate {shlex.quote(config.concept)}",
            "yellow",
        )
    if ONNX not in config.files:
        errors().say(
            f"note: {ONNX} was left out, as the package onnx is not installed; all else is there. "
            'To add it: pip install "fieldmark[onnx]", then export again.',
            "yellow",
        )
    console.say(f"Use it: fieldmark concept predict {shlex.quote(str(out))} photos/")
