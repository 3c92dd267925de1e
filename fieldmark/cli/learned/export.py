"""`fieldmark export`: writes what a run learned into a folder that stands alone."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, print_json, share, words


def export(
    run: Annotated[str, typer.Argument(help="Run of `classify`: its id, or its folder.", show_default=False)],
    out: Annotated[Path, option("Folder: new, empty, or an earlier export of a run.", show_default=False)],
    clip: Annotated[
        str | None, option("CLIP model, where its files lie elsewhere by now. Must be the same.")
    ] = None,
    device: Annotated[str | None, option("auto, cpu, cuda or mps. Else the run's.")] = None,
    onnx: Annotated[
        bool, option("Write the student as an ONNX model, too: vectors to probabilities.", "--onnx")
    ] = False,
    json: Json = False,
) -> None:
    """Export what a run of `classify` learned: a classifier that needs no language model.

    A linear student, taught by the run's probabilities, and the run's field guide compete on the run's own
    images; both are stored, the better one is the default. Beside them lie the field guide (JSON, CSV), a
    model card, and instructions for people. `fieldmark predict` uses the folder.

    Exit codes: 0 done; 2 no such run, an unfinished one, images that are gone, or another CLIP model.
    """
    from fieldmark.tools.runs.folder import RunFolder

    RunFolder.open(Path("runs"), run, kind="classify")
    with TerminalProgress("Learning") as progress:
        from fieldmark.app.learned.export import export_run

        exported = export_run(run, out, clip=clip, device=device, onnx=onnx, progress=progress)
    config = exported.config
    if json:
        print_json(
            {
                "schema": "fieldmark.export/1",
                "run": config.run,
                "folder": str(exported.folder),
                "classes": len(config.classes),
                "best": config.best,
                "agreement": {name: each.agreement for name, each in config.contenders.items()},
                "files": exported.files,
            }
        )
    console = words(json=json)
    console.say(
        f"{amount(len(config.classes), 'class', 'classes')}, learned from {amount(config.images, 'image')}; "
        f"{amount(len(exported.files), 'file')}, read back and checked. In {exported.folder}"
    )
    agreement = ", ".join(f"{name} {share(each.agreement)}" for name, each in config.contenders.items())
    console.say(f"Agreement with the run on images held out: {agreement}. Default: the {config.best}.")
    console.say(f"Use it: fieldmark predict {shlex.quote(str(out))} photos/")
