"""A grid of texts, one per template and class: its vectors, and class scores from weights."""

from collections.abc import Sequence

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import Encode, encode_groups


def encode_grid(prompts: Sequence[Sequence[str]], encode: Encode) -> Tensor:
    """Unit vectors of the text of every template and class.

    Args:
        prompts: One row per template, each with one text per class, all in the same order of classes.
        encode: Texts to vectors [M, D]; called once, with each distinct text once.

    Returns:
        Unit vectors [P, C, D], float32.

    Raises:
        InputError: If there is no template, or the rows differ in length or are empty.
        ModelError: If the encoder does not return one row of finite numbers per text.
    """
    texts = encode_groups(prompts, encode)
    if len({len(row) for row in prompts}) != 1:
        raise InputError(
            f"The templates have {sorted({len(row) for row in prompts})} texts.",
            hint="Give each template one text per class, in the same order of classes.",
        )
    return texts.vectors[texts.text].view(len(prompts), len(prompts[0]), -1)


def grid_scores(image_vectors: Tensor, grid: Tensor, weights: Tensor, *, logit_scale: float) -> Tensor:
    """Weighted sum over templates of the logits: sum_p w[p,c] * s * (f . t[p,c]).

    A weighted sum of logits is the logit of the weighted sum of vectors, which is **not** scaled back to
    length one: a class whose texts disagree scores lower.

    Args:
        image_vectors: Unit image vectors [N, D].
        grid: Unit text vectors [P, C, D].
        weights: Weight of each template [P, 1], or of each template and class [P, C].
        logit_scale: The encoder's factor on cosines (s).

    Returns:
        Scores [N, C], float32.
    """
    classes = grid.new_zeros(grid.shape[1:])
    # One template at a time: the product of weights and vectors would be as large as the grid.
    for vectors, weight in zip(grid, weights.to(grid.dtype), strict=True):
        classes.addcmul_(vectors, weight[:, None])
    return image_vectors.to(grid.dtype) @ (logit_scale * classes).T
