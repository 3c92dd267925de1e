"""Class prototypes: the unit mean of a class's text vectors (prompt ensembling), and cosines with them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import Encode, encode_groups, mean_vectors, unit


def class_prototypes(
    prompts: Sequence[Sequence[str]],
    encode: Encode,
    *,
    weights: Sequence[Sequence[float]] | None = None,
) -> Tensor:
    """One unit vector per class: the mean of its prompts' unit vectors, scaled to length one.

    Source: Radford et al. 2021, section 3.1.4 (ensembling over templates in embedding space). With
    language-model sentences as prompts it is CuPL's rule (Pratt et al. 2023).

    Args:
        prompts: The texts of each class; a text given twice counts twice.
        encode: Texts to vectors [M, D]; rows need not be of unit length.
        weights: Weight of each prompt, shaped like `prompts`; equal where not given.

    Returns:
        Unit rows [C, D], float32.

    Raises:
        InputError: If a class has no prompt, or weights do not fit the prompts.
    """
    texts = encode_groups(prompts, encode)
    return unit(mean_vectors(texts, None if weights is None else _flat(weights, prompts)))


def ensemble_scores(
    image_vectors: Tensor,
    encode: Encode,
    prompts: Sequence[Sequence[str]],
    *,
    logit_scale: float = 1.0,
    weights: Sequence[Sequence[float]] | None = None,
) -> Tensor:
    """Cosine of each image with each class prototype, times `logit_scale`.

    Source: Radford et al. 2021, section 3.1.4.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D].
        prompts: The texts of each class.
        logit_scale: The encoder's factor on cosines; 1 gives plain cosines.
        weights: See `class_prototypes`.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If a class has no prompt, or weights do not fit the prompts.
    """
    prototypes = class_prototypes(prompts, encode, weights=weights)
    return image_vectors.to(torch.float32) @ (logit_scale * prototypes).T


def _flat(weights: Sequence[Sequence[float]], prompts: Sequence[Sequence[str]]) -> Tensor:
    if [len(row) for row in weights] != [len(row) for row in prompts]:
        raise InputError("Weights do not fit the prompts.", hint="Give one weight per prompt.")
    if any(not sum(row) > 0 or min(row) < 0 for row in weights):
        raise InputError(
            "A class has prompts without weight.", hint="Weights are not negative and not all 0 in a class."
        )
    return torch.tensor([weight for row in weights for weight in row])
