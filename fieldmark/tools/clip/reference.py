"""Vectors of images like those that an encoder was trained on: the user's own, or the model's."""

from pathlib import Path

import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.model_source import REFERENCE
from fieldmark.tools.clip.vector_file import SUFFIX, VectorFile
from fieldmark.tools.clip.weights import read_reference
from fieldmark.tools.images.files import find_images


def reference_of(encoder: Encoder, *, own: Path | None, beside: Path | None) -> torch.Tensor | None:
    """The reference pool of the user's own, else that in the model's folder; None where there is neither.

    Args:
        encoder: The encoder.
        own: A folder of images, or an `.npy` file of their vectors.
        beside: The folder that the model brings along.

    Raises:
        InputError: There is nothing, or vectors of another length.
        ModelError: The model's own is damaged.
        NoImagesError: No image of the folder can be used.
    """
    if own is not None:
        return _own_pool(own, encoder)
    path = beside / REFERENCE if beside is not None else None
    return read_reference(path, width=encoder.width) if path is not None and path.is_file() else None


def _own_pool(path: Path, encoder: Encoder) -> torch.Tensor:
    if path.suffix.lower() != SUFFIX:
        found = encoder.encode_images(find_images(path).images)
        return found.vectors[found.ok]
    file = VectorFile.open(path)
    if file.width != encoder.width:
        raise InputError(
            f"{path} holds vectors of length {file.width}; those of {encoder.name} have {encoder.width}.",
            hint="Give vectors of the same encoder, or a folder of images.",
            field="reference",
        )
    return file[: len(file)]
