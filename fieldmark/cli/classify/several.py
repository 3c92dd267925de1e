"""`fieldmark classify --multi`: says of each image every class that holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.cli.classify.check import NAME_THEM, NO_CLASSES, read_classes
from fieldmark.cli.classify.output import name_some, say_passed_over
from fieldmark.cli.exit_codes import option_of
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.spending import say_spent
from fieldmark.cli.terminal import PlainConsole, amount, one_line, print_json, row, share, table, words
from fieldmark.errors import EndpointBusy, InputError, LimitReached, NoImagesError

if TYPE_CHECKING:
    from fieldmark.records.label_sets import LabelSets

OF_USE = ("clip", "noun", "device", "labels", "method", "seed", "llm", "base_url", "cache")
"""What is of use to several labels an image."""
MOST_CLASSES = 20
_KEPT = "What was answered is kept for the same command."


def classify_several(
    paths: Sequence[Path],
    classes: str | None,
    *,
    chosen: dict[str, Any],
    limits: dict[str, Any],
    out: Path,
    report: bool,
    all_classes: bool,
    json: bool,
) -> None:
    """Label images with every class that holds, and say what came of it.

    Args:
        paths: Image files and folders.
        classes: The class names, or their file.
        chosen: Options that were given, by name.
        limits: The most that may be spent.
        out: Folder for the run's folder.
        report: Whether a page is written.
        all_classes: Whether the table has a column a class.
        json: Whether one JSON object is printed, and nothing else.

    Raises:
        FieldmarkError: Something is wrong with what was given.
    """
    found = labelled(
        paths, classes, chosen=chosen, limits=limits, out=out, report=report, all_classes=all_classes
    )
    show(found, words(json=json))
    if json:
        print_json(found.model_dump(mode="json", by_alias=True))


def labelled(
    paths: Sequence[Path],
    classes: str | None,
    *,
    chosen: dict[str, Any],
    limits: dict[str, Any],
    out: Path,
    report: bool,
    all_classes: bool,
) -> "LabelSets":
    """The labels; the run's folder has its tables and its page."""
    idle = [
        name
        for name, value in chosen.items()
        if name not in OF_USE and not (value is None or value is False or value == [])
    ]
    if idle:
        raise InputError(
            f"{', '.join(map(option_of, idle))} is of no use to several labels an image.",
            hint="Leave it out, or leave out --multi.",
        )
    if not paths:
        raise NoImagesError("No image files or folders were given.", hint="Name at least one.")
    if classes is None:
        raise InputError(NO_CLASSES, hint=NAME_THEM)
    from fieldmark.app.by_method.choice import LOOP, mistakes_of
    from fieldmark.app.inputs import check_classes, check_images_there

    check_images_there(paths)
    names = check_classes(read_classes(classes, None)[0])
    given = {name: value for name, value in chosen.items() if name in OF_USE and value is not None}
    if (method := given.get("method")) not in (None, LOOP):
        for mistake in mistakes_of(method, {}, None):
            raise mistake
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.several.classifier import MultiLabelClassifier
        from fieldmark.records import UsageLimits
        from fieldmark.tools.runs.folder import RunFolder
        from fieldmark.tools.runs.label_sets_csv import CLASSES, TABLE, classes_csv, label_sets_csv

        classifier = MultiLabelClassifier(
            classes=names,
            limits=UsageLimits(**limits),
            out=out,
            every=all_classes,
            progress=progress,
            **given,
        )
        try:
            found = classifier.label([str(path) for path in paths])
        except EndpointBusy as error:
            raise EndpointBusy(
                error.message, until=error.until, hint=f"{_KEPT} Then give it again."
            ) from None
        except LimitReached as error:
            raise LimitReached(error.message, hint=f"{_KEPT} Give it again with a higher limit.") from None
        run = RunFolder(found.run)
        run.write_text(TABLE, label_sets_csv(found))
        run.write_text(CLASSES, classes_csv(found))
        if report:
            from fieldmark.evals.report.multi_label import write_multi_label_page

            progress.stage("Writing the report")
            write_multi_label_page(run, found)
    return found


def show(found: "LabelSets", console: PlainConsole) -> None:
    """Say how many images show each class, from which probability on, and where everything is."""
    from fieldmark.app.by_method.choice import needs_of
    from fieldmark.app.several.classifier import DESCRIBED, NAMES
    from fieldmark.settings import read_settings

    made = table("class", "images", "from", words=("class",))
    most = sorted(found.classes, key=lambda each: -each.images)
    for each in most[:MOST_CLASSES]:
        row(made, one_line(each.class_name), f"{each.images:,}", share(each.threshold))
    console.print(made)
    if len(most) > MOST_CLASSES:
        console.say(f"and {amount(len(most) - MOST_CLASSES, 'class', 'classes')} more, in classes.csv")
    counts = [len(each.labels) for each in found.images]
    console.say(
        f"{amount(len(counts), 'image')}: {counts.count(0):,} without a label, {counts.count(1):,} with one, "
        f"{sum(count > 1 for count in counts):,} with several."
    )
    console.say(
        f"{amount(found.labelled, 'labelled image')} set the thresholds."
        if found.labelled
        else "Thresholds come from these images alone, and nothing calibrated the probabilities. Labels do."
    )
    if "llm" in (needs_of(found.method) or ()):
        say_spent(Path(found.run), console)
    elif found.method == NAMES and (model := read_settings().llm):
        console.say(f"Scored by names alone: {one_line(model)} was not asked. --method {DESCRIBED} asks it.")
    for note in found.notes:
        console.say(note, "bold red")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in found.skipped])
    say_passed_over(console, found.passed_over)
    run = Path(found.run)
    console.say(f"Predictions: {run / 'predictions.csv'}")
    page = run / "report.html"
    console.say(f"Report: {page}" if page.is_file() else f"Run: {run}")
