"""`fieldmark predict`: labels images with an exported classifier, of a run or of a concept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fieldmark.cli.classify.output import aspects_in_words, name_some, on_one_line, say_passed_over
from fieldmark.cli.concept import predict as concepts
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, encoding, option
from fieldmark.cli.terminal import amount, errors, leave, print_json, words

if TYPE_CHECKING:
    from fieldmark.records.class_predictions import ClassPredictions
    from fieldmark.records.concept_predictions import ConceptPredictions


@encoding
def predict(
    export: Annotated[
        Path,
        typer.Argument(help="Folder that `export` or `concept export` wrote.", show_default=False),
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images, and folders of them; or one .npy file of vectors.", show_default=False),
    ],
    by: Annotated[
        Literal["student", "guide"] | None,
        option("What labels them. Else what did better on the run's own images.", show_default=False),
    ] = None,
    csv: Annotated[Path | None, option("Write a table to this file, too.")] = None,
    table: Annotated[
        Path | None,
        option(
            "Write this table alone, block by block, for inputs of any number; Parquet where it ends in "
            ".parquet, else CSV."
        ),
    ] = None,
    block: Annotated[
        int | None, option("With --table: rows that are held at a time; else 8192.", min=1)
    ] = None,
    clip: Annotated[
        str | None, option("CLIP model, where its files lie elsewhere by now. Must be the same.")
    ] = None,
    device: Annotated[str | None, option("auto, cpu, cuda or mps. Else FIELDMARK_DEVICE.")] = None,
    watch: Annotated[
        bool, option("Go on, and label images as they come into the folders; Ctrl-C ends it.")
    ] = False,
    every: Annotated[
        float | None, option("With --watch: seconds from look to look; else 2.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Label images with what a run or a concept has learned, each by itself; no language model.

    With --table memory does not grow with the number of images; a file of vectors (`numpy.save`, float16 or
    float32) must be of the encoder that the classifier was made with.

    With --watch the table of --csv grows, and what it has already is not labelled again; --json prints one
    object for each time that images came.

    Exit codes: 0 done; 1 every image was rejected; 2 no usable image, a damaged export, or another CLIP model
    than it was made with.
    """
    from fieldmark.app.beforehand import check_prediction

    check_prediction(export, paths, device=device)
    from fieldmark.tools.concepts.heads.config import FORMAT as HEAD
    from fieldmark.tools.exports.folder import format_of

    is_concept = format_of(export) == HEAD
    if is_concept and by is not None:
        raise typer.BadParameter("a concept has one classifier.", param_hint="--by")
    if every is not None and not watch:
        raise typer.BadParameter("it goes with --watch.", param_hint="--every")
    if block is not None and table is None:
        raise typer.BadParameter("it goes with --table.", param_hint="--block")
    if table is None and any(path.suffix.lower() == ".npy" for path in paths):
        raise typer.BadParameter("a file of vectors needs a table to write.", param_hint="--table")
    if table is not None:
        if watch or csv is not None:
            raise typer.BadParameter("it goes with neither --watch nor --csv.", param_hint="--table")
        _into_table(export, paths, table, by=by, clip=clip, device=device, block=block, json=json)
        return
    if watch:
        from fieldmark.cli.learned.watching import label_as_they_come

        label_as_they_come(
            export,
            paths,
            concept=is_concept,
            by=by,
            clip=clip,
            device=device,
            every=every,
            csv=csv,
            json=json,
        )
        return
    if is_concept:
        _show_concept(concepts.judged(export, paths, clip=clip, device=device), csv=csv, json=json)
        return
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.learned.classifier import LearnedClassifier

        with LearnedClassifier(export, by=by, clip=clip, device=device, progress=progress) as classifier:
            found = classifier.predict(list(paths))
    _show(found, csv=csv, json=json)
    if all(each.status == "rejected" for each in found.predictions):
        leave(1)


def _into_table(
    export: Path,
    paths: list[Path],
    table: Path,
    *,
    by: Literal["student", "guide"] | None,
    clip: str | None,
    device: str | None,
    block: int | None,
    json: bool,
) -> None:
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.learned.to_table import BLOCK, label_to_table

        made = label_to_table(
            export,
            paths,
            table,
            by=by,
            clip=clip,
            device=device,
            block=BLOCK if block is None else block,
            progress=progress,
        )
    if json:
        print_json({
            "schema": "fieldmark.predict_table/1",
            "table": str(made.table),
            "rows": made.rows,
            "counts": made.counts,
            "encoder": made.encoder,
            "skipped": [each.model_dump(mode="json") for each in made.skipped],
            "passed_over": made.passed_over,
        })  # fmt: skip
    console = errors()
    said = ", ".join(f"{count:,} {status}" for status, count in made.counts.items())
    console.say(f"{amount(made.rows, 'row')} in {made.table}: {said}.")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in made.skipped])
    say_passed_over(console, made.passed_over)
    if made.counts.get("rejected") == made.rows:
        leave(1)


def _show(found: "ClassPredictions", *, csv: Path | None, json: bool) -> None:
    if csv is not None:
        from fieldmark.tools.runs.csv_table import write_csv
        from fieldmark.tools.runs.predictions_csv import predictions_csv

        write_csv(csv, predictions_csv(found.predictions))
    if json:
        print_json(found)
    else:
        console = words(json=False)
        for each in found.predictions:
            console.say(on_one_line(each))
            for line in aspects_in_words(each):
                console.say(line)
    console = errors()
    counts = {
        status: sum(each.status == status for each in found.predictions)
        for status in ("resolved", "open", "rejected")
    }
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    console.say(f"{amount(len(found.predictions), 'image')}: {said}; by the {found.by} of run {found.run}.")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in found.skipped])
    say_passed_over(console, found.passed_over)


def _show_concept(found: "ConceptPredictions", *, csv: Path | None, json: bool) -> None:
    if csv is not None:
        from fieldmark.tools.concepts.predictions_csv import concept_csv
        from fieldmark.tools.runs.csv_table import write_csv

        write_csv(csv, concept_csv(found.predictions, found.skipped))
    if json:
        print_json(found)
    else:
        console = words(json=False)
        for each in found.predictions:
            console.say(concepts.in_words(each))
    concepts.summarise(found)
