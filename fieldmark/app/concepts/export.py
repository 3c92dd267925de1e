"""Copies a classifier into a folder that stands alone, and checks the copy file by file.

No model library is loaded for it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import InputError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records.building import Measurement
from fieldmark.tools.concepts.built import (
    CARD,
    EXEMPLARS,
    INSTRUCTIONS,
    MODELS,
    read_built,
    read_judged,
)
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.config import (
    CONFIG,
    ONNX,
    WEIGHTS,
    HeadConfig,
    read_config,
    verify_export,
)
from fieldmark.tools.concepts.instructions import exemplar_hashes, instructions_of
from fieldmark.tools.concepts.model_card import model_card
from fieldmark.tools.exports.folder import hashes, names_in, write_folder

EXEMPLAR = re.compile(r"[0-9a-f]{16}\.jpg")


@dataclass(frozen=True)
class ExportedClassifier:
    """What an export wrote.

    Attributes:
        folder: Where.
        config: What was exported.
        files: Path relative to the folder → SHA-256.
    """

    folder: Path
    config: HeadConfig
    files: dict[str, str]


def export_version(
    folder: ConceptFolder, version: int, out: Path, *, measured: Measurement | None
) -> ExportedClassifier:
    """Export the classifier of a version of a concept, as it was built; see `export_folder`.

    Args:
        folder: The concept's folder.
        version: The version.
        out: A folder that is not there, is empty, or holds an export of this concept, which is replaced.
        measured: How it was measured; None where it was not, and its card says so.

    Raises:
        RunError: Nothing is built, or a file of it is damaged.
        InputError: The folder holds something else, or cannot be written.
    """
    source, concept = folder.path / MODELS / f"v{version}", folder.load()
    built = read_built(source)
    if built is None:
        raise RunError(
            f"Version {version} of {concept.name!r} has no classifier yet.",
            hint="Build it first: `ConceptBuilder.build`, or `fieldmark concept build`.",
        )
    target = out.resolve()
    card = model_card(concept, _whole(source), built, measured, folder=target.name or "FOLDER")
    return export_folder(source, target, card=card, instructions=_instructions(folder, version))


def export_folder(
    source: Path, out: Path, *, card: str, instructions: str | None = None
) -> ExportedClassifier:
    """Copy head, ONNX model (if there), configuration, instructions and their pictures; write the model card.

    A new folder appears whole or not at all. In one that holds an export of the same concept the
    configuration goes first: a copy that was cut short is refused by its hashes, and may be exported again.

    Args:
        source: The folder of a build.
        out: A folder that is not there, is empty, or holds an export of the same concept.
        card: The model card.
        instructions: The labelling instructions; those of the build where not given.

    Raises:
        RunError: A file of the build is missing or damaged.
        InputError: `out` holds something else or cannot be written, or the copy is not what was written.
    """
    contents, config = _contents(source)
    contents[CARD] = card.encode("utf-8")
    if instructions is not None:
        contents[INSTRUCTIONS] = instructions.encode("utf-8")
    _refuse_what_is_else(out, source, config)

    def leftovers(folder: Path) -> list[Path]:
        pictures = [
            path
            for path in (folder / EXEMPLARS).glob("*.jpg")
            if EXEMPLAR.fullmatch(path.name) and f"{EXEMPLARS}/{path.name}" not in contents
        ]
        return pictures + ([] if ONNX in contents else [folder / ONNX])

    write_folder(out, contents, leftovers=leftovers)
    verify_export(out)
    return ExportedClassifier(out, config, hashes(contents))


def _instructions(folder: ConceptFolder, version: int) -> str | None:
    """The labelling instructions by what the owner has said up to now; None where the build's must do."""
    source, concept = folder.path / MODELS / f"v{version}", folder.load()
    judged = read_judged(source)
    if judged is None:
        return None
    labels = dev_labels(concept)
    names = {image: f"{EXEMPLARS}/{image[:16]}.jpg" for image in exemplar_hashes(labels)}
    return instructions_of(
        concept,
        concept.versions[version - 1].definition,
        labels=labels,
        exemplars={image: name for image, name in names.items() if (source / name).is_file()},
        described={image: verdict.seen for image, verdict in judged.items() if verdict.seen},
    )


def _contents(source: Path) -> tuple[dict[str, bytes], HeadConfig]:
    """The files of a build that are exported, the configuration first."""
    config = _whole(source)
    try:
        names = (CONFIG, WEIGHTS, *([ONNX] if ONNX in config.files else []), INSTRUCTIONS)
        contents = {name: read_bytes(source / name) for name in names}
        for path in sorted((source / EXEMPLARS).glob("*.jpg")):
            contents[f"{EXEMPLARS}/{path.name}"] = read_bytes(path)
    except OSError as error:
        raise _damaged(f"A file of the build is gone: {error}.") from error
    return contents, config


def _whole(source: Path) -> HeadConfig:
    """What a build made, its files checked.

    Raises:
        RunError: One is missing or damaged.
    """
    try:
        return verify_export(source)
    except InputError as error:
        raise _damaged(error.message) from error


def _damaged(said: str) -> RunError:
    return RunError(said, hint="Build it again: `ConceptBuilder.build`, or `fieldmark concept build`.")


def _refuse_what_is_else(out: Path, source: Path, config: HeadConfig) -> None:
    """Refuse a folder that something else lies in.

    Raises:
        InputError: It is one.
    """
    concept_folder = source.resolve().parents[1]
    if out == concept_folder or concept_folder in out.parents:
        raise InputError(
            f"{out} belongs to the concept itself.", hint="Give a folder outside of where concepts are kept."
        )
    there = names_in(out)
    if not there:
        return
    try:
        earlier = read_config(out)
    except InputError:
        # One whose configuration was damaged may be replaced: what it was is seen by its other files.
        if {CONFIG, WEIGHTS} <= there:
            return
        raise InputError(
            f"{out} is not empty and holds no exported classifier.", hint="Give a new or empty folder."
        ) from None
    if earlier.concept != config.concept:
        raise InputError(
            f"{out} holds the classifier of another concept, {earlier.concept!r}.",
            hint="Give a folder of its own.",
        )
