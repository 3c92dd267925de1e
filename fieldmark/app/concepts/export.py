"""Copies a classifier into a folder that stands alone, and checks the copy file by file."""

import re
from dataclasses import dataclass
from pathlib import Path

from fieldmark.agents.build.write import CARD, EXEMPLARS, INSTRUCTIONS
from fieldmark.errors import InputError, RunError
from fieldmark.reading import read_bytes
from fieldmark.tools.concepts.heads.export import (
    CONFIG,
    ONNX,
    WEIGHTS,
    HeadConfig,
    read_config,
    verify_export,
)
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


def _contents(source: Path) -> tuple[dict[str, bytes], HeadConfig]:
    """The files of a build that are exported, the configuration first."""
    try:
        config = verify_export(source)
        names = (CONFIG, WEIGHTS, *([ONNX] if ONNX in config.files else []), INSTRUCTIONS)
        contents = {name: read_bytes(source / name) for name in names}
        for path in sorted((source / EXEMPLARS).glob("*.jpg")):
            contents[f"{EXEMPLARS}/{path.name}"] = read_bytes(path)
    except (InputError, OSError) as error:
        said = error.message if isinstance(error, InputError) else f"A file of the build is gone: {error}."
        raise RunError(
            said, hint="Build it again: `ConceptBuilder.build`, or `fieldmark concept build`."
        ) from error
    return contents, config


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
