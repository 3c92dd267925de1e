"""What an exported head is, and whether its files are whole: read and written without its weights.

Nothing here loads a model library.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import Definition, Record
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import MOST_BYTES, first_words, read_verified

CONFIG = "config.json"
WEIGHTS = "head.safetensors"
ONNX = "head.onnx"
FORMAT = "fieldmark.head/1"
MULTIPLIED = "tree"
"""The route of heads whose clauses were multiplied; none is made any more."""
Route = Literal["direct", "logic"]
"""Where the concept's score comes from: an output of its own, or the clause on which the concept hangs."""


class HeadConfig(Record):
    """What an exported head is, and what it needs; `config.json`."""

    format: Literal["fieldmark.head/1"] = FORMAT
    concept: str
    version: int
    """Version of the concept's definition that it was made for."""
    encoder: EncoderStamp
    kind: str
    route: Route
    definition: Definition
    slope: float
    intercept: float
    threshold: float = Field(ge=0, le=1)
    files: dict[str, str]
    """File name → SHA-256 of the weights and, where it was made, the ONNX model."""


def read_config(folder: Path) -> HeadConfig:
    """Read what an exported head is.

    Raises:
        InputError: The folder holds no export, or its configuration is damaged.
    """
    path = folder / CONFIG
    try:
        read = json.loads(read_bytes(path, most=MOST_BYTES))
        if isinstance(read, dict) and read.get("route") == MULTIPLIED:
            raise InputError(
                f"{folder} holds a classifier that multiplies what it makes of the clauses. Since then they "
                "are combined by logic.",
                hint="Build and export it again: `fieldmark concept build` judges nothing anew.",
            )
        return HeadConfig.model_validate(read)
    except FileNotFoundError:
        raise InputError(
            f"{folder} holds no exported classifier: {CONFIG} is missing.",
            hint="Give the folder that `ConceptBuilder.export` or `fieldmark concept export` wrote.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged: {first_words(error)}.", hint="Export the classifier again."
        ) from None


def verify_export(folder: Path) -> HeadConfig:
    """Check weights and, where it was made, ONNX model of an export against their hashes.

    Raises:
        InputError: The folder holds no export, or a file of it is missing or damaged.
    """
    config = read_config(folder)
    read_verified(folder / WEIGHTS, config.files.get(WEIGHTS))
    if ONNX in config.files:
        read_verified(folder / ONNX, config.files[ONNX])
    return config


def set_threshold(folder: Path, threshold: float) -> HeadConfig:
    """Have an export call images in from another probability on.

    Raises:
        InputError: The folder holds no export, or a file of it is damaged, or it cannot be written.
    """
    config = verify_export(folder).model_copy(update={"threshold": threshold})
    write_files(folder, {}, config)
    return config


def write_files(folder: Path, contents: dict[str, bytes], config: HeadConfig) -> None:
    """Write files of a head and, last, its configuration.

    Raises:
        InputError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            write_whole(folder / name, (data,))
        if ONNX not in config.files:
            (folder / ONNX).unlink(missing_ok=True)
        write_whole(folder / CONFIG, (config.model_dump_json(indent=1).encode(),))
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error}.", hint="Give another folder.") from error
