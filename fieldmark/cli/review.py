"""`fieldmark review`: labels of a labelled set that are probably wrong, by a run that never saw them."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.classify.output import name_some
from fieldmark.cli.run_options import Json, Out, Report, option
from fieldmark.cli.terminal import amount, one_line, print_json, words


def review(
    run: Annotated[str, typer.Argument(help="Id or folder of a run of `fieldmark classify`.")] = "latest",
    labels: Annotated[
        Path | None,
        option(
            "The labels: a CSV or Parquet table with image and label, a file of Label Studio, COCO, CVAT or "
            "FiftyOne, or a folder with one folder per class. Else an image's label is its folder's name.",
            show_default=False,
        ),
    ] = None,
    out: Out = Path("runs"),
    report: Report = None,
    json: Json = False,
) -> None:
    """List the labels of a labelled set that are probably wrong; without RUN, by the latest run.

    Classify the labelled images first, without giving the run their labels. This holds the labels against the
    run's probabilities (confident learning, through cleanlab). Nothing is asked and nothing is changed.

    Exit codes: 0 done; 2 wrong input; 130 Ctrl-C.
    """
    from fieldmark.app.beforehand import Mistakes, check_there
    from fieldmark.tools.runs.folder import RunFolder

    mistakes = Mistakes()
    with mistakes.noted():
        RunFolder.open(out, run, kind="classify")
    with mistakes.noted():
        check_there(labels, "The file or folder of labels", field="labels")
    mistakes.tell()
    from fieldmark.app.review.label_errors import REVIEW, review_labels

    folder = RunFolder.open(out, run, kind="classify")
    found = review_labels(folder, labels)
    console = words(json=json)
    are = "is" if len(found.issues) == 1 else "are"
    console.say(f"{amount(len(found.issues), 'label')} of {found.images:,} {are} probably wrong.")
    name_some(
        console,
        "The least credible",
        [f"{one_line(each.image)}: {one_line(each.given)}? {each.in_words}" for each in found.issues],
    )
    console.say(f"Table: {folder.path / REVIEW}")
    if report is not False:
        from fieldmark.evals.report.review import write_review_page

        console.say(f"Page: {write_review_page(folder, found)}")
    if json:
        print_json(found)
