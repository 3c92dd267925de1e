"""`fieldmark predict --watch`: labels images as they come into folders, until Ctrl-C."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fieldmark.cli.classify.output import aspects_in_words, name_some, on_one_line
from fieldmark.cli.concept import predict as concepts
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.terminal import amount, errors, one_line, print_json, words

if TYPE_CHECKING:
    from fieldmark.app.concepts.classifier import ConceptClassifier
    from fieldmark.app.learned.classifier import LearnedClassifier
    from fieldmark.records.class_predictions import ClassPredictions
    from fieldmark.records.concept_predictions import ConceptPredictions
    from fieldmark.tools.runs.csv_growing import GrowingCsv


def label_as_they_come(
    export: Path,
    folders: Sequence[Path],
    *,
    concept: bool,
    by: Literal["student", "guide"] | None,
    clip: str | None,
    device: str | None,
    every: float | None,
    csv: Path | None,
    json: bool,
) -> None:
    """Label what lies in the folders, and go on; Ctrl-C or SIGTERM ends it after the images at hand.

    Raises:
        InputError: A path is no folder, or the table cannot grow.
    """
    from fieldmark.app.learned.watching import EVERY, check_watched

    every = EVERY if every is None else every
    check_watched(folders, every)
    table = _table(csv, export, concept=concept)
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.concepts.classifier import ConceptClassifier
        from fieldmark.app.learned.classifier import LearnedClassifier

        classifier = (
            ConceptClassifier(export, clip=clip, device=device, progress=progress)
            if concept
            else LearnedClassifier(export, by=by, clip=clip, device=device, progress=progress)
        )
    with classifier:
        _label(classifier, folders, every, table, json=json)


def _table(csv: Path | None, export: Path, *, concept: bool) -> "GrowingCsv | None":
    """The table, checked before any model is loaded, where its columns are the same for every export."""
    if csv is None:
        return None
    from fieldmark.tools.learned.stored import read_learned
    from fieldmark.tools.runs.csv_growing import GrowingCsv
    from fieldmark.tools.runs.predictions_csv import predictions_csv

    table = GrowingCsv(csv)
    if not concept and read_learned(export).aspects is None:
        table.check(predictions_csv(()))
    return table


def _label(
    classifier: "ConceptClassifier | LearnedClassifier",
    folders: Sequence[Path],
    every: float,
    table: "GrowingCsv | None",
    *,
    json: bool,
) -> None:
    from fieldmark.app.learned.watching import watch_folders
    from fieldmark.tools.images.files import image_files

    console, count = errors(), 0
    known = [each for folder in folders for each in image_files(folder)[0]] if table else []
    known = [each for each in known if table is not None and table.has(each)]
    if known:
        console.say(f"{amount(len(known), 'image')} in the table already.")
    console.say(f"Watching {', '.join(map(str, folders))}; Ctrl-C ends it.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as a service manager ends it
    with suppress(KeyboardInterrupt):
        for found in watch_folders(
            classifier, folders, every=every, known=known, refused=lambda error: console.say(str(error))
        ):
            count += len(found.predictions)
            _show(found, table, json=json)
    console.say(f"Stopped; {amount(count, 'image')} labelled.")


def _show(found: "ClassPredictions | ConceptPredictions", table: "GrowingCsv | None", *, json: bool) -> None:
    from fieldmark.records.class_predictions import ClassPredictions
    from fieldmark.tools.concepts.predictions_csv import concept_csv
    from fieldmark.tools.runs.predictions_csv import predictions_csv

    if isinstance(found, ClassPredictions):
        lines = [line for each in found.predictions for line in (on_one_line(each), *aspects_in_words(each))]
        rows = predictions_csv(found.predictions) if table else ""
    else:
        lines = [concepts.in_words(each) for each in found.predictions]
        rows = concept_csv(found.predictions) if table else ""
    if table is not None:
        table.append(rows)
    if json:
        print_json(found)
    else:
        console = words(json=False)
        for line in lines:
            console.say(line)
    name_some(errors(), "Skipped", [f"{one_line(each.path)}: {each.reason}" for each in found.skipped])
