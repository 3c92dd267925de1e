"""Writes a built classifier down: head, ONNX model, instructions with pictures, model card, figures."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.sample import Sample
from fieldmark.errors import RunError
from fieldmark.records import Verdict
from fieldmark.records.building import (
    BuildResult,
    CalibrationImage,
    CalibrationImages,
    ContenderScore,
    Measurement,
)
from fieldmark.tools.concepts.built import (
    BUILD,
    CALIBRATION,
    CARD,
    EXEMPLARS,
    INSTRUCTIONS,
    JUDGED,
    read_built,
)
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.heads.choose import Fitted
from fieldmark.tools.concepts.heads.config import read_config
from fieldmark.tools.concepts.heads.export import export_head
from fieldmark.tools.concepts.instructions import exemplar_hashes, instructions_of
from fieldmark.tools.concepts.model_card import model_card
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import decode_image
from fieldmark.tools.runs.events import StepFailed
from fieldmark.tools.runs.folder import RunFolder, now

EDGE = 384
"""Longest side of an exemplar, in pixels."""


def write_classifier(
    fitted: Fitted,
    *,
    sample: Sample,
    verdicts: Sequence[Verdict],
    debated: int,
    overturned: int,
    context: BuildContext,
) -> BuildResult:
    """Write everything of a classifier into its folder; `build.json` comes last and marks it whole.

    A threshold that the owner kept for this very build stays. So does its `build.json` meanwhile: a measured
    version with damaged files may be built again only while that file shows that it is the same build.
    """
    concept, out = context.concept, context.out
    earlier = read_built(out) if built_of(out, context.identity) else None
    if earlier is None:
        (out / BUILD).unlink(missing_ok=True)
    kept = earlier.kept if earlier else None
    head = fitted.head if kept is None else replace(fitted.head, threshold=kept)
    export_head(out, head, concept=concept.name, version=context.version, encoder=context.encoder)
    labels = dev_labels(concept)
    pictures = write_exemplars(exemplar_hashes(labels), context)
    described = {verdict.image: verdict.seen for verdict in verdicts if verdict.seen}
    text = instructions_of(
        concept, context.definition, labels=labels, exemplars=pictures, described=described
    )
    RunFolder(out).write_text(INSTRUCTIONS, text)
    known = [verdict.model_dump(mode="json") for verdict in verdicts if verdict.image in labels]
    RunFolder(out).write_text(JUDGED, json.dumps(known, ensure_ascii=False, indent=0))
    RunFolder(out).write(CALIBRATION, calibration_of(fitted, owner=labels))
    judged = sum(verdict.call in ("in", "out") for verdict in verdicts)
    result = BuildResult(
        concept=concept.name,
        version=context.version,
        at=now(),
        kind=fitted.head.kind,
        threshold=round(fitted.head.threshold, 6),
        kept=kept,
        contenders=tuple(
            ContenderScore(
                kind=("mlp" if each.recipe.hidden else "linear")
                + (" logic" if each.route == "logic" else ""),
                decay=each.recipe.decay,
                average_precision=round(each.mean, 4),
                chosen=each is fitted.chosen,
            )
            for each in fitted.contenders
        ),
        annotated=judged,
        unjudged=len(verdicts) - judged,
        owner_labels=sum(label.value != "unsure" for label in labels.values()),
        active=len(sample.active),
        debated=debated,
        overturned=overturned,
        calls=context.annotator.calls,
        identity=context.identity,
        notes=context.notes,
    )
    write_card(context, result, None)
    RunFolder(out).write(BUILD, result)
    return result


def calibration_of(fitted: Fitted, *, owner: Collection[str]) -> CalibrationImages:
    """The images that a head was calibrated by.

    Args:
        fitted: The head.
        owner: Content hashes of the images that the owner labelled.
    """
    rows = zip(
        fitted.examples.names,
        fitted.examples.target.tolist(),
        fitted.out_of_fold.tolist(),
        fitted.counted.tolist(),
        strict=True,
    )
    return CalibrationImages(
        images=tuple(
            CalibrationImage(image=image, inside=target >= 0.5, p=round(p, 6), by_owner=image in owner)
            for image, target, p, counted in rows
            if counted > 0
        )
    )


def built_of(out: Path, identity: str) -> bool:
    """Whether a folder's build was of just this, whatever became of its files."""
    try:
        built = read_built(out)
    except RunError:
        return False
    return built is not None and built.identity == identity


def write_card(context: BuildContext, built: BuildResult, measured: Measurement | None) -> None:
    """Write the model card, again once the classifier was measured."""
    text = model_card(context.concept, read_config(context.out), built, measured)
    RunFolder(context.out).write_text(CARD, text)


def write_exemplars(hashes: Sequence[str], context: BuildContext) -> dict[str, str]:
    """Copy the pictures of a document, made small; one that cannot be read any more is left out.

    Those of an earlier build are removed.

    Returns:
        Content hash → path relative to the folder.
    """
    folder = context.out / EXEMPLARS
    for old in folder.glob("*.jpg"):
        old.unlink()
    written: dict[str, str] = {}
    for image in context.files(hashes):
        try:
            picture = decode_image(image)
        except UnusableImageError as error:
            context.progress(StepFailed(kind="exemplar", reason=str(error)))
            continue
        picture.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{image.content_hash[:16]}.jpg"
        _save(picture, folder / name)
        written[image.content_hash] = f"{EXEMPLARS}/{name}"
    return written


def _save(picture: Image.Image, path: Path) -> None:
    picture.convert("RGB").save(path, "JPEG", quality=90)
