"""Has a classifier call images in from another probability on; no model library is loaded for it."""

from fieldmark.errors import InputError, RunError
from fieldmark.records import Decision
from fieldmark.records.building import BuildResult
from fieldmark.tools.concepts.built import BUILD, CARD, MODELS, read_built, read_measurement
from fieldmark.tools.concepts.changes import now as moment
from fieldmark.tools.concepts.changes import with_decision
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.config import set_threshold, verify_export
from fieldmark.tools.concepts.model_card import model_card
from fieldmark.tools.runs.folder import RunFolder


def keep_threshold(folder: ConceptFolder, version: int, threshold: float, *, why: str = "") -> BuildResult:
    """Have the classifier of a version call images in from another probability on.

    The history notes it; what was measured stays as it was, and the blind test is not looked at.

    Args:
        folder: The concept's folder.
        version: A version that was built.
        threshold: From 0 to 1. The build's own to two places, as a page shows it, is the build's own.
        why: The owner's reason.

    Raises:
        RunError: It is not built, or another process works on the concept.
        InputError: The threshold is none, or a file of the classifier is damaged.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"A threshold lies between 0 and 1, and {threshold:g} does not.", field="threshold")
    out = folder.path / MODELS / f"v{version}"
    with folder.writing():
        concept, built = folder.load(), read_built(out)
        if built is None:
            raise RunError(
                f"Version {version} of {concept.name!r} has no classifier yet.",
                hint="Build it first: `ConceptBuilder.build`, or `fieldmark concept build`.",
            )
        if threshold == round(built.threshold, 2):
            threshold = built.threshold
        if verify_export(out).threshold == threshold == built.in_force:
            return built
        said = Decision(
            kind="threshold",
            question=f"From which probability on does version {version} call a picture in?",
            answer=f"{built.in_force:.2f} → {threshold:.2f}" + (f": {why}" if why else ""),
            at=moment(),
        )
        folder.save(with_decision(concept, said))
        kept = None if threshold == built.threshold else threshold
        built = built.model_copy(update={"kept": kept})
        RunFolder(out).write(BUILD, built)
        config = set_threshold(out, threshold)
        card = model_card(folder.load(), config, built, read_measurement(out))
        RunFolder(out).write_text(CARD, card)
    return built
