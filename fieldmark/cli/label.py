"""`fieldmark label`: takes what people say of a run's images, and scores the run anew with it."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.classify.output import as_json, show
from fieldmark.cli.classify.run import run
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Out, Report, RunJson, either, option
from fieldmark.cli.terminal import PlainConsole, amount, errors, leave, print_json, share, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.records import ImageToLabel

NONE, UNSURE, LEAVE = "none of these", "cannot tell", ("q", "quit")
KEYS = "A number or a class; n none of these, ? cannot tell, Enter later, q stop"


def label(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id or folder of a classification.")],
    typed: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The same as --file.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        option(
            "The run's ask.csv with its column label filled, another CSV or Parquet table with image and "
            "label, a file of Label Studio, COCO, CVAT or FiftyOne, or a folder with one folder per class. "
            "Else images are asked about here.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str | None, option("auto, cpu, cuda, cuda:1 or mps.", show_default=False)] = None,
    out: Out = Path("runs"),
    report: Report = None,
    json: RunJson = False,
) -> None:
    """Label the images that a run asks about, and score the run anew. No model is asked.

    Labels are classes, "none of these" or "cannot tell". They are kept in the run's labels.csv, apart from
    predictions; of two about one image the later counts.
    """
    file = either(typed, file, "--file")
    from fieldmark.app.beforehand import Mistakes, check_device, check_there
    from fieldmark.tools.runs.folder import RunFolder

    mistakes = Mistakes()
    with mistakes.noted():
        RunFolder.open(out, run_id, kind="classify")
    with mistakes.noted():
        check_there(file, "The file or folder of labels", field="file")
    with mistakes.noted():
        check_device(device or "auto")
    mistakes.tell()
    from fieldmark.app.labels import Labels
    from fieldmark.app.review.rescoring import rescorer
    from fieldmark.tools.runs.labels import read_ask

    folder = RunFolder.open(out, run_id, kind="classify")
    given: Labels
    if file is not None:
        given = file
    else:
        asked = read_ask(folder)
        if not asked:
            raise InputError(
                f"Run {folder.run_id} asks about no image.",
                hint="Give labels of your own with --file: a CSV file with the columns image and label.",
            )
        if not sys.stdin.isatty() and json:
            raise InputError("Nobody is there to answer: this is no terminal.", hint="Give --file.")
        given = dict(answers(asked, errors()))
        if not given:
            errors().say("No label was given; the run is as it was.")
            return
    with TerminalProgress("Loading") as progress:
        classifier = rescorer(folder, given, device=device, report=report)
        progress.classes = len(classifier.classes)
        classifier.progress = progress
        resolution = run(classifier, progress)
    show(resolution, words(json=json), failures=progress.failures, again="")
    if json:
        print_json(as_json(resolution))
    leave(0)


def answers(asked: Sequence["ImageToLabel"], console: PlainConsole) -> Iterator[tuple[str, str]]:
    """What a person says of images, one by one, until the last or a q: image → label."""
    console.say(f"{amount(len(asked), 'image')}. {KEYS}.")
    for number, image in enumerate(asked, 1):
        console.say()
        console.say(f"{number} of {len(asked)}: {image.image} ({image.why})", "bold")
        shares = image.probabilities or (None,) * len(image.candidates)
        for key, (name, likely) in enumerate(zip(image.candidates, shares, strict=True), 1):
            console.say(f"  {key}  {name}" + ("" if likely is None else f"  {share(likely)}"))
        said = _said("> ")
        if said in LEAVE:
            return
        if said:
            yield image.image, _meaning(said, image.candidates)


def _said(prompt: str) -> str:
    """A line that was typed; at the end of the input, that the person leaves."""
    print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201
    line = sys.stdin.readline()
    return line.strip() if line else "q"


def _meaning(said: str, candidates: Sequence[str]) -> str:
    if said.isascii() and said.isdigit() and 1 <= int(said) <= len(candidates):
        return candidates[int(said) - 1]
    return {"n": NONE, "?": UNSURE}.get(said, said)
