"""A tuned adapter as a folder that is opened like a model: its tensors, and which base model they change.

The folder holds no weights of the base. Vectors of the adapted model have an identity of their own: none is
ever taken for one of the base.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.reading import read_bytes, read_text
from fieldmark.records import Record
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.last_layers import Change
from fieldmark.tools.clip.model_source import ADAPTER, REFERENCE, file_sha256

TENSORS = "adapter.safetensors"
_SCALE, _LINEAR, _DOWN, _UP = "logit_scale", "change", ".down", ".up"


class AdapterCard(Record):
    """What `adapter.json` says.

    Attributes:
        format: The form of the folder.
        base: The model that is changed, as its user named it; a folder or a weights file by its full path.
        base_identity: SHA-256 over all that determines the base's vectors but the precision.
        sha256: Hash of the file of tensors.
        reference_sha256: Hash of the file of a reference pool; None where there is none.
        width: Length of a vector.
        method: The method of the table whose recipe was followed.
        recipe: The recipe.
        classes: How many classes it was tuned on.
        images: How many images.
        texts: How many distinct texts.
        first_loss: Loss of the first step.
        last_loss: Loss of the last step.
        held_out: Labelled images that were held out once, to measure what tuning brings.
        right_before: How many of them the base labels rightly, by the same texts.
        right_after: How many a model does that was tuned on the others.
        logit_scale: What cosines are multiplied with, as it was learned.
        base_logit_scale: The base's own.
    """

    format: Literal["fieldmark.adapter/1"] = "fieldmark.adapter/1"
    base: str
    base_identity: str
    sha256: str
    reference_sha256: str | None = None
    width: int
    method: str
    recipe: dict[str, JsonValue]
    classes: int
    images: int
    texts: int
    first_loss: float
    last_loss: float
    held_out: int
    right_before: int
    right_after: int
    logit_scale: float
    base_logit_scale: float


@dataclass(frozen=True)
class EncoderChange:
    """What a tuned adapter does to an encoder.

    Attributes:
        logit_scale: What cosines are multiplied with.
        linear: `[D, D]` float32, added as `unit(v + linear @ v)` to unit image vectors; None adds nothing.
        low_rank: Changes to the last layers of the image tower, by the name of the matrix.
    """

    logit_scale: float
    linear: Tensor | None = None
    low_rank: Mapping[str, Change] = field(default_factory=dict[str, Change])

    @classmethod
    def of(cls, adapter: LinearAdapter | LowRankAdapter) -> "EncoderChange":
        """What an adapter in memory does."""
        if isinstance(adapter, LinearAdapter):
            return cls(adapter.scale, linear=adapter.change)
        return cls(adapter.scale, low_rank=dict(adapter.changes))

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "EncoderChange":
        """The change that `tensors` wrote out.

        Raises:
            KeyError: One of a pair is missing.
            ValueError: A scale that is none.
        """
        left = dict(tensors)
        scale, linear = left.pop(_SCALE).item(), left.pop(_LINEAR, None)
        if not 0 < scale < math.inf:
            raise ValueError(f"its scale is {scale:g}")
        names = sorted(name.removesuffix(_DOWN) for name in left if name.endswith(_DOWN))
        return cls(float(scale), linear, {name: (left[name + _DOWN], left[name + _UP]) for name in names})

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        found = {_SCALE: torch.tensor(self.logit_scale, dtype=torch.float64)}
        if self.linear is not None:
            found[_LINEAR] = self.linear.contiguous()
        for name, (down, up) in self.low_rank.items():
            found |= {name + _DOWN: down.contiguous(), name + _UP: up.contiguous()}
        return found

    def packed(self) -> bytes:
        """As a safetensors file."""
        return save(self.tensors())


def read_card(folder: Path) -> AdapterCard:
    """Read `adapter.json`.

    Raises:
        ModelError: It cannot be read, or is none.
    """
    path = folder / ADAPTER
    try:
        return AdapterCard.model_validate_json(read_text(path))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None


def read_change(folder: Path, card: AdapterCard) -> EncoderChange:
    """Read the tensors that a card describes.

    Raises:
        ModelError: They cannot be read, or are not those that were written.
    """
    path = folder / TENSORS
    try:
        data = read_bytes(path)
        if sha256(data).hexdigest() != card.sha256:
            raise ValueError("its content is not what was written")
        return EncoderChange.of_tensors(load(data))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, error) from None


def check_reference(folder: Path, card: AdapterCard) -> None:
    """Refuse a reference pool that is not the one a card describes: scores depend on it.

    Raises:
        ModelError: It was changed, added or removed, or cannot be read.
    """
    path = folder / REFERENCE
    try:
        found = file_sha256(path) if path.exists() else None
        if found != card.reference_sha256:
            raise ValueError("it is missing" if found is None else "its content is not what was written")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, why: Any) -> ModelError:
    said = " ".join(str(why).split())[:200]
    return ModelError(f"The adapter {path} cannot be used ({said}).", hint="Restore it, or adapt again.")
