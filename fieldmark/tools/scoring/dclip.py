"""Classification by description: a class scores the mean cosine of the image with its descriptors."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.books.wording import descriptor_prompt as descriptor_prompt
from fieldmark.tools.books.wording import descriptor_prompts as descriptor_prompts
from fieldmark.tools.scoring.vectors import Encode, encode_groups, image_steps, mean_vectors

Pool = Literal["mean", "max", "sum"]


def mean_cosine_scores(
    image_vectors: Tensor,
    encode: Encode,
    prompts: Sequence[Sequence[str]],
    *,
    pool: Pool = "mean",
) -> Tensor:
    """Pool the cosines of each image with the prompts of each class.

    The mean is over cosines: unlike a class prototype, the mean text vector is not scaled back to
    length one, so that classes whose prompts disagree score lower. No temperature.

    Source: Menon & Vondrick 2023, equation 1; released code for "max" and "sum".

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; rows need not be of unit length.
        prompts: The texts of each class; a text given twice counts twice.
        pool: How the cosines of a class become its score.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If a class has no prompt, or `pool` is unknown.
    """
    texts = encode_groups(prompts, encode)
    images = image_vectors.to(torch.float32)
    classes = len(prompts)
    if pool in ("mean", "sum"):
        # The mean of cosines is the cosine with the mean vector: one column per class, not per text.
        means = mean_vectors(texts)
        return images @ (means * texts.sizes[:, None] if pool == "sum" else means).T
    if pool != "max":
        raise InputError(f"Unknown pooling {pool!r}.", hint='Use "mean", "max" or "sum".')
    scores = images.new_full((len(images), classes), -torch.inf)
    occurrences = len(texts.text)
    for step in image_steps(len(images), occurrences + len(texts.vectors)):
        cosines = (images[step] @ texts.vectors.T)[:, texts.text]
        group = texts.group.expand(cosines.shape[0], occurrences)
        scores[step] = scores[step].scatter_reduce(1, group, cosines, "amax")
    return scores
