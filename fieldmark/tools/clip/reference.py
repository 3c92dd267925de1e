"""Reads the vectors of a reference pool of images that a model folder may bring along."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from fieldmark.errors import ModelError


def read_reference(path: Path, *, width: int) -> torch.Tensor:
    """Read the image vectors of a reference pool.

    Args:
        path: A safetensors file with `image_vectors` `[R, width]`.
        width: Length of the model's vectors.

    Returns:
        float32 `[R, width]`, brought to unit length.

    Raises:
        ModelError: Damaged, or vectors of another model.
    """
    try:
        with safe_open(path, framework="pt") as tensors:
            vectors = tensors.get_tensor("image_vectors").float()
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({error}).", hint="Restore it, or remove it.") from error
    if vectors.ndim != 2 or vectors.shape[1] != width or not torch.isfinite(vectors).all():
        raise ModelError(f"{path} does not hold vectors of length {width}.", hint="Restore it, or remove it.")
    return torch.nn.functional.normalize(vectors, dim=-1)
