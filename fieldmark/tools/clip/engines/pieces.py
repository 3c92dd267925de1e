"""Pieces of a shard on their way through a Ray cluster: decoded pictures, and what became of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.records import SkippedInput


@dataclass(frozen=True)
class Piece:
    """Some pictures of a shard.

    Attributes:
        number: Of the shard.
        at: Which piece of the shard it is, from 0.
        last: Whether it is the last one.
        keys: Keys in a vector store, of P pictures.
        values: What `Preprocessing` made of them, `[P, ...]`; once they are encoded, float16 `[P, D]`.
        files: Names and keys of files whose vectors are in this piece or in one before. Content that comes
            twice has one key.
        skipped: What could not be encoded, with the reason.
        preprocessing: The key of what the pictures were decoded with.
    """

    number: int
    at: int
    last: bool
    keys: tuple[str, ...]
    values: np.ndarray
    files: tuple[tuple[str, str], ...] = ()
    skipped: tuple[SkippedInput, ...] = ()
    preprocessing: str = ""


def as_batch(piece: Piece) -> dict[str, Any]:
    """A batch of one row, as Ray Data takes it: JSON, and bytes as they lie in memory."""
    about = {
        "number": piece.number,
        "at": piece.at,
        "last": piece.last,
        "keys": piece.keys,
        "files": piece.files,
        "skipped": [each.model_dump() for each in piece.skipped],
        "preprocessing": piece.preprocessing,
        "shape": piece.values.shape,
        "type": piece.values.dtype.newbyteorder("<").str,
    }
    values = np.ascontiguousarray(piece.values, about["type"])
    return {"about": [json.dumps(about)], "values": [values.tobytes()]}


def from_row(row: Mapping[str, Any]) -> Piece:
    """The piece of such a row."""
    about = json.loads(row["about"])
    values = np.frombuffer(row["values"], about["type"]).reshape(about["shape"])
    return Piece(
        number=about["number"],
        at=about["at"],
        last=about["last"],
        keys=tuple(about["keys"]),
        values=values.astype(values.dtype.newbyteorder("=")),
        files=tuple((name, key) for name, key in about["files"]),
        skipped=tuple(SkippedInput.model_validate(each) for each in about["skipped"]),
        preprocessing=about["preprocessing"],
    )
