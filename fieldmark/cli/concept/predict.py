"""`fieldmark concept predict`: uses an exported classifier on images; no language model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.classify.output import name_some, say_passed_over
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.run_options import Json, encoding, option
from fieldmark.cli.terminal import amount, errors, one_line, print_json, words

if TYPE_CHECKING:
    from fieldmark.records.concept_predictions import ConceptPrediction, ConceptPredictions


@encoding
def predict(
    export: Annotated[
        Path,
        typer.Argument(
            help="Folder that `concept export` wrote, or one of such folders.", show_default=False
        ),
    ],
    paths: Annotated[list[Path], typer.Argument(help="Images, and folders of them.", show_default=False)],
    clip: Annotated[
        str | None, option("CLIP model, where its files lie elsewhere by now. Must be the same.")
    ] = None,
    device: Annotated[str | None, option("auto, cpu, cuda or mps. Else FIELDMARK_DEVICE.")] = None,
    also: Annotated[
        list[Path] | None,
        option("Further exports, or folders of some; may be repeated. One table then, a column a concept."),
    ] = None,
    only: Annotated[str | None, option('Show those alone that are "in", or "out".')] = None,
    csv: Annotated[Path | None, option("Write a table to this file, too, with a column a clause.")] = None,
    json: Json = False,
) -> None:
    """Say of each image whether it is in a concept or out, how likely, and which clause says most.

    Exit codes: 0 done; 2 no usable image, a damaged export, or another CLIP model than it was made with.
    """
    if also or holds_exports(export):
        if only is not None:
            from fieldmark.errors import InputError

            raise InputError("--only is of no use to several concepts.", hint="Leave it out.")
        predict_many([export, *(also or ())], paths, clip=clip, device=device, csv=csv, json=json)
        return
    if only not in (None, "in", "out"):
        from fieldmark.errors import InputError

        raise InputError(f"--only cannot be {only!r}.", hint='It is "in" or "out".')
    found = judged(export, paths, clip=clip, device=device)
    kept = tuple(each for each in found.predictions if only in (None, each.label))
    if csv is not None:
        from fieldmark.tools.concepts.predictions_csv import concept_csv
        from fieldmark.tools.runs.csv_table import write_csv

        write_csv(csv, concept_csv(kept, found.skipped if only is None else ()))
    if json:
        shown = found.model_copy(update={"predictions": kept})
        print_json(shown.model_dump(mode="json", by_alias=True))
    else:
        console = words(json=False)
        for each in kept:
            console.say(in_words(each))
    summarise(found)


def holds_exports(folder: Path) -> bool:
    """Whether exports lie in a folder that is none itself."""
    return not (folder / "config.json").is_file() and any(folder.glob("*/config.json"))


def predict_many(
    exports: list[Path],
    paths: list[Path],
    *,
    clip: str | None,
    device: str | None,
    csv: Path | None,
    json: bool,
) -> None:
    """Say of each image which of several concepts it is in."""
    from fieldmark.app.beforehand import check_prediction

    for export in exports:
        check_prediction(export, paths, device=device)
    with Telling("Loading") as progress:
        from fieldmark.app.several.concepts import predict_concepts

        found = predict_concepts(exports, list(paths), clip=clip, device=device, progress=progress)
    if csv is not None:
        from fieldmark.tools.runs.csv_table import write_csv
        from fieldmark.tools.runs.label_sets_csv import label_sets_csv

        write_csv(csv, label_sets_csv(found))
    if json:
        print_json(found.model_dump(mode="json", by_alias=True))
    else:
        console = words(json=False)
        for each in found.images:
            console.say(f"{one_line(each.image)}  {one_line(', '.join(each.labels)) or '–'}")
    console = errors()
    for each in found.classes:
        said = f"{one_line(each.class_name)}: {each.images:,} of {amount(len(found.images), 'image')} in"
        console.say(f"{said} (from {each.threshold:.3f}).")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in found.skipped])
    say_passed_over(console, found.passed_over)


def judged(export: Path, paths: list[Path], *, clip: str | None, device: str | None) -> "ConceptPredictions":
    """What an exported classifier says of images."""
    from fieldmark.app.beforehand import check_prediction

    check_prediction(export, paths, device=device)
    with Telling("Loading") as progress:
        from fieldmark.app.concepts.classifier import ConceptClassifier

        with ConceptClassifier(export, clip=clip, device=device, progress=progress) as classifier:
            return classifier.predict(list(paths))


def in_words(prediction: "ConceptPrediction") -> str:
    """One image on one line: label, probability, file, the clause that says most."""
    line = f"{prediction.label:3}  {prediction.probability:.3f}  {one_line(prediction.image)}"
    clause = prediction.decided_by
    if clause is None:
        return line
    return f"{line}  ({clause.role}, {clause.probability:.2f}: {one_line(clause.text)})"


def summarise(found: "ConceptPredictions") -> None:
    """Say on stderr how many are in, and what was left out."""
    inside = sum(each.label == "in" for each in found.predictions)
    console = errors()
    console.say(
        f"{found.concept}, version {found.version}: {amount(len(found.predictions), 'image')}, "
        f"{inside:,} in, {len(found.predictions) - inside:,} out (in from {found.threshold:.3f})."
    )
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in found.skipped])
    say_passed_over(console, found.passed_over)
